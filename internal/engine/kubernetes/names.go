package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// Manager is the field manager of all that is written, and the value of the label app.kubernetes.io/managed-by.
const Manager = "terraform-provider-pattern"

// Labels and annotations of the project.
const (
	labelPattern  = topology.LabelPrefix + "pattern"
	labelInstance = topology.LabelPrefix + "instance"
	labelGroup    = topology.LabelPrefix + "group"
	// labelRevision on a Pod is the digest of its template: Pods of the newest revision are known by it.
	labelRevision = topology.LabelPrefix + "revision"
	// labelRecord marks the one object that stands for the whole instance and owns the rest.
	labelRecord = topology.LabelPrefix + "record"
	// labelData says what becomes of a claim that replicas share when its instance is deleted: "keep" or "delete".
	labelData = topology.LabelPrefix + "data"

	annotationRevision = topology.LabelPrefix + "revision"
	annotationComplete = topology.LabelPrefix + "complete"
	// annotationNodes keeps the addresses that node ports were first reached by, so that endpoints do not change with
	// every machine that comes and goes.
	annotationNodes = topology.LabelPrefix + "nodes"
	// annotationClaims names the claim templates of stable groups, with their sets, whose data goes with the instance. It is
	// the record that knows, because templates cannot change.
	annotationClaims = topology.LabelPrefix + "delete-claims"
	// annotationKeys names what a Secret must hold, without the values.
	annotationKeys = topology.LabelPrefix + "keys"
	// annotationVersion is the version of a Secret's values.
	annotationVersion = topology.LabelPrefix + "version"
	// annotationValues is the version whose values a Secret holds.
	annotationValues = topology.LabelPrefix + "values"
	// annotationSecret, followed by a secret's name, makes a new version of it a new revision of its readers.
	annotationSecret = topology.LabelPrefix + "secret-"
)

// ObjectName of a part of an instance: a group, a config, a secret. The part "main" has the instance's own name.
func ObjectName(instance, part string) string {
	if part == "" || part == "main" {
		return instance
	}
	return instance + "-" + part
}

// recordName holds a dot, so that no part's name can be the same.
func recordName(instance, pattern string) string {
	return instance + "." + strings.ReplaceAll(pattern, "_", "-")
}

// peersName of the Service that gives the replicas of a stable group their addresses.
func peersName(instance, group string) string { return ObjectName(instance, group) + "-peers" }

// claimName of the volume that all replicas of a group share.
func claimName(instance, group, volume string) string {
	return ObjectName(instance, group) + "-" + volume
}

// selector of a group's Pods. It can never change.
func selector(t *topology.Topology, group string) map[string]string {
	return map[string]string{labelPattern: t.Pattern, labelInstance: t.Name, labelGroup: group}
}

// instanceSelector finds every object of an instance.
func instanceSelector(key topology.Key) string {
	return labelPattern + "=" + key.Pattern + "," + labelInstance + "=" + key.Name
}

// labels of an object; the group may be empty.
func labels(t *topology.Topology, group string) map[string]string {
	all := maps.Clone(t.Labels)
	if all == nil {
		all = map[string]string{}
	}
	all["app.kubernetes.io/name"] = t.Pattern
	all["app.kubernetes.io/instance"] = t.Name
	all["app.kubernetes.io/managed-by"] = Manager
	all[labelPattern] = t.Pattern
	all[labelInstance] = t.Name
	if group != "" {
		all["app.kubernetes.io/component"] = group
		all[labelGroup] = group
	}
	return all
}

// digest is a short name for a content: equal contents have equal digests.
func digest(content any) string {
	raw, err := json.Marshal(content)
	if err != nil { // contents are plain data
		panic(err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:5])
}
