package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

type attributes = map[string]schema.Attribute

func text(doc string) schema.StringAttribute {
	return schema.StringAttribute{Optional: true, MarkdownDescription: doc}
}

func secret(doc string) schema.StringAttribute {
	return schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: doc}
}

func flag(doc string) schema.BoolAttribute {
	return schema.BoolAttribute{Optional: true, MarkdownDescription: doc}
}

func texts(doc string) schema.ListAttribute {
	return schema.ListAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: doc}
}

func textMap(doc string) schema.MapAttribute {
	return schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: doc}
}

func object(doc string, a attributes) schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{Optional: true, MarkdownDescription: doc, Attributes: a}
}

// Schema of the configuration. Names and environment variables are those of the hashicorp providers, so that workspaces
// that are set up for these work unchanged.
func (p *Provider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Container patterns (Burns and Oppenheimer, HotCloud 2016) as resources, on Kubernetes and on Nomad. Exactly one of `kubernetes` and `nomad` says where the instances of this configuration run; an empty object takes everything from the environment.",
		Attributes: attributes{
			"kubernetes": object("Runs the instances on Kubernetes. There is no default cluster: without a kubeconfig, a host or a Pod around the provider, nothing is done.", attributes{
				"config_path":              text("Path of a kubeconfig. Environment: `KUBE_CONFIG_PATH`."),
				"config_paths":             texts("Paths of kubeconfigs that are merged. Environment: `KUBE_CONFIG_PATHS`."),
				"config_context":           text("Context of the kubeconfig. Environment: `KUBE_CTX`."),
				"config_context_cluster":   text("Cluster of the kubeconfig, instead of the context's. Environment: `KUBE_CTX_CLUSTER`."),
				"config_context_auth_info": text("User of the kubeconfig, instead of the context's. Environment: `KUBE_CTX_AUTH_INFO`."),
				"host":                     text("URL of the API server. Environment: `KUBE_HOST`."),
				"token":                    secret("Bearer token. Environment: `KUBE_TOKEN`."),
				"username":                 text("Name for basic authentication. Environment: `KUBE_USER`."),
				"password":                 secret("Password for basic authentication. Environment: `KUBE_PASSWORD`."),
				"cluster_ca_certificate":   text("CA of the API server, in PEM. Environment: `KUBE_CLUSTER_CA_CERT_DATA`."),
				"client_certificate":       text("Client certificate, in PEM. Environment: `KUBE_CLIENT_CERT_DATA`."),
				"client_key":               secret("Key of the client certificate, in PEM. Environment: `KUBE_CLIENT_KEY_DATA`."),
				"insecure":                 flag("Whether the server's certificate is not verified. Environment: `KUBE_INSECURE`."),
				"tls_server_name":          text("Name that the server's certificate must bear. Environment: `KUBE_TLS_SERVER_NAME`."),
				"proxy_url":                text("Proxy of all requests. Environment: `KUBE_PROXY_URL`."),
				"in_cluster":               flag("Whether to use the service account of the Pod that Terraform runs in. Default: `true` inside a Pod when nothing else is set. Environment: `KUBE_IN_CLUSTER_CONFIG`."),
				"namespace":                text("Namespace of instances that name none. Default: the context's, else `default`. Environment: `KUBE_NAMESPACE`."),
				"exec": object("A program that prints credentials; it runs again when they expire.", attributes{
					"api_version": schema.StringAttribute{Required: true, MarkdownDescription: "Such as `client.authentication.k8s.io/v1`."},
					"command":     schema.StringAttribute{Required: true, MarkdownDescription: "Program to run."},
					"args":        texts("Its arguments."),
					"env":         textMap("Added to its environment."),
				}),
			}),
			"nomad": object("Runs the instances on Nomad. There is no default address.", attributes{
				"address":         text("URL of a server. Environment: `NOMAD_ADDR`."),
				"region":          text("Region. Environment: `NOMAD_REGION`."),
				"namespace":       text("Namespace of instances that name none. Environment: `NOMAD_NAMESPACE`."),
				"token":           secret("ACL token. Environment: `NOMAD_TOKEN`."),
				"token_file":      text("File that holds the ACL token; it is read again for each request."),
				"http_auth":       secret("`NAME:PASSWORD` for basic authentication. Environment: `NOMAD_HTTP_AUTH`."),
				"ca_file":         text("Path of the servers' CA. Environment: `NOMAD_CACERT`."),
				"ca_path":         text("Folder of CAs of the servers. Environment: `NOMAD_CAPATH`."),
				"ca_pem":          text("The servers' CA, in PEM."),
				"cert_file":       text("Path of the client certificate. Environment: `NOMAD_CLIENT_CERT`."),
				"cert_pem":        text("Client certificate, in PEM."),
				"key_file":        text("Path of its key. Environment: `NOMAD_CLIENT_KEY`."),
				"key_pem":         secret("Its key, in PEM."),
				"tls_server_name": text("Name that the server's certificate must bear. Environment: `NOMAD_TLS_SERVER_NAME`."),
				"skip_verify":     flag("Whether the server's certificate is not verified. Environment: `NOMAD_SKIP_VERIFY`."),
				"headers":         schema.MapAttribute{Optional: true, Sensitive: true, ElementType: types.StringType, MarkdownDescription: "Added to each request."},
				"mhz_per_core":    schema.Int64Attribute{Optional: true, MarkdownDescription: "MHz that one core of `resources` stands for. Default: computed from the nodes' own figures."},
			}),
			"images": object("Where the framework images come from.", attributes{
				"repository":   text("Registry and path above the images, such as `registry.example.com/pattern`. Default: `" + defaultRepository + "`. Environment: `PATTERN_IMAGES_REPOSITORY`."),
				"tag":          text("Tag of all of them. Default: the provider's version. Environment: `PATTERN_IMAGES_TAG`."),
				"references":   textMap("Whole references (with a digest, say) of single images by name, such as `logsaver`."),
				"pull_policy":  text("`always`, `if_not_present` or `never`. Default: the engine's own."),
				"pull_secrets": texts("Kubernetes Secrets with registry credentials, for all images of an instance."),
			}),
			"default_labels":      textMap("Labels of every instance; its own win."),
			"default_annotations": textMap("Annotations of every instance; its own win."),
		},
	}
}
