package run

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestReferencesInArguments(t *testing.T) {
	values := map[string]string{"WORK_ITEM_FILE": "/in/$(WORK_STAGE)", "WORK_STAGE": "resize"}
	cases := []struct{ name, argument, want string }{
		{name: "none", argument: "-resize", want: "-resize"},
		{name: "a whole argument, whose value is not looked into", argument: "$(WORK_ITEM_FILE)", want: "/in/$(WORK_STAGE)"},
		{name: "parts", argument: "png:$(WORK_STAGE)/$(WORK_STAGE)!", want: "png:resize/resize!"},
		{name: "what is not known stays", argument: "$(date) $(WORK_STAGE)", want: "$(date) resize"},
		{name: "a reference inside of another", argument: "$(echo $(WORK_STAGE))", want: "$(echo resize)"},
		{name: "two dollars stand for one", argument: "$$(WORK_STAGE)", want: "$(WORK_STAGE)"},
		{name: "one that has no end", argument: "$(WORK_STAGE", want: "$(WORK_STAGE"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, expand(c.argument, values)) })
	}
}
