package attributes

import (
	"fmt"

	data "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
)

// ForDataSource is what a data source takes of a resource's attributes: all but those that are computed or write-only.
func ForDataSource(in Map) map[string]data.Attribute {
	out := map[string]data.Attribute{}
	for name, attribute := range in {
		if attribute.IsComputed() || attribute.IsWriteOnly() {
			continue
		}
		switch a := attribute.(type) {
		case schema.StringAttribute:
			out[name] = data.StringAttribute{Required: a.Required, Optional: a.Optional, MarkdownDescription: a.MarkdownDescription, Validators: a.Validators}
		case schema.Int64Attribute:
			out[name] = data.Int64Attribute{Required: a.Required, Optional: a.Optional, MarkdownDescription: a.MarkdownDescription, Validators: a.Validators}
		case schema.Float64Attribute:
			out[name] = data.Float64Attribute{Required: a.Required, Optional: a.Optional, MarkdownDescription: a.MarkdownDescription, Validators: a.Validators}
		case schema.BoolAttribute:
			out[name] = data.BoolAttribute{Required: a.Required, Optional: a.Optional, MarkdownDescription: a.MarkdownDescription}
		case schema.ListAttribute:
			out[name] = data.ListAttribute{Required: a.Required, Optional: a.Optional, ElementType: a.ElementType, MarkdownDescription: a.MarkdownDescription}
		case schema.MapAttribute:
			out[name] = data.MapAttribute{Required: a.Required, Optional: a.Optional, ElementType: a.ElementType, MarkdownDescription: a.MarkdownDescription}
		case schema.SingleNestedAttribute:
			out[name] = data.SingleNestedAttribute{Required: a.Required, Optional: a.Optional, MarkdownDescription: a.MarkdownDescription, Attributes: ForDataSource(a.Attributes)}
		case schema.MapNestedAttribute:
			out[name] = data.MapNestedAttribute{Required: a.Required, Optional: a.Optional, MarkdownDescription: a.MarkdownDescription, NestedObject: data.NestedAttributeObject{Attributes: ForDataSource(a.NestedObject.Attributes)}}
		case schema.ListNestedAttribute:
			out[name] = data.ListNestedAttribute{Required: a.Required, Optional: a.Optional, MarkdownDescription: a.MarkdownDescription, NestedObject: data.NestedAttributeObject{Attributes: ForDataSource(a.NestedObject.Attributes)}}
		default: // a kind that no schema here has used before
			panic(fmt.Sprintf("attribute %s: %T has no counterpart in data sources", name, attribute))
		}
	}
	return out
}
