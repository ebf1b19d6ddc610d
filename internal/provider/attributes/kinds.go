package attributes

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// Map of attributes by name.
type Map = map[string]schema.Attribute

// Short forms, so that a schema reads as a table. Everything is optional unless it says required.

func str(doc string, v ...[]validator.String) schema.StringAttribute {
	a := schema.StringAttribute{Optional: true, MarkdownDescription: doc}
	for _, v := range v {
		a.Validators = append(a.Validators, v...)
	}
	return a
}

func required(a schema.StringAttribute) schema.StringAttribute {
	a.Required, a.Optional = true, false
	return a
}

func number(doc string) schema.Int64Attribute {
	return schema.Int64Attribute{Optional: true, MarkdownDescription: doc}
}

func fraction(doc string) schema.Float64Attribute {
	return schema.Float64Attribute{Optional: true, MarkdownDescription: doc}
}

func flag(doc string) schema.BoolAttribute {
	return schema.BoolAttribute{Optional: true, MarkdownDescription: doc}
}

func strs(doc string) schema.ListAttribute {
	return schema.ListAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: doc}
}

func strMap(doc string) schema.MapAttribute {
	return schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: doc}
}

func object(doc string, a Map) schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{Optional: true, MarkdownDescription: doc, Attributes: a}
}

func objects(doc string, a Map) schema.MapNestedAttribute {
	return schema.MapNestedAttribute{Optional: true, MarkdownDescription: doc, NestedObject: schema.NestedAttributeObject{Attributes: a}}
}

func list(doc string, a Map) schema.ListNestedAttribute {
	return schema.ListNestedAttribute{Optional: true, MarkdownDescription: doc, NestedObject: schema.NestedAttributeObject{Attributes: a}}
}

// Names for what the short forms give.
type (
	nestedMap    = schema.MapNestedAttribute
	nestedObject = schema.SingleNestedAttribute
)

func int64Required(doc string) schema.Int64Attribute {
	return schema.Int64Attribute{Required: true, MarkdownDescription: doc}
}
