package kubernetes

import (
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

// The API names the other manager only within a sentence.
var otherManager = regexp.MustCompile(`conflict with "([^"]+)"`)

// conflictOf reads from an error which managers own which fields; nil if that is not what it is about.
func conflictOf(o *Object, err error) error {
	if !apierrors.IsConflict(err) {
		return nil
	}
	fields := map[string][]string{}
	for _, c := range causes(err) {
		if c.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		manager := "another manager"
		if m := otherManager.FindStringSubmatch(c.Message); m != nil {
			manager = m[1]
		}
		fields[manager] = append(fields[manager], c.Field)
	}
	if len(fields) == 0 {
		return nil
	}
	return &engine.ConflictError{Object: describe(o), Fields: fields, Err: err}
}
