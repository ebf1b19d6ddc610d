package inclustertest

import (
	"fmt"
	"strings"
)

// Leases are the objects that the provider makes for the electors of an instance: a Lease INSTANCE-RECORD for each of their records,
// and a service account, named as the instance, that may read and patch them by their names.
func Leases(instance string, records ...string) string {
	var all strings.Builder
	names := make([]string, len(records))
	for i, record := range records {
		names[i] = instance + "-" + record
		fmt.Fprintf(&all, "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: %s}\n---\n", names[i])
	}
	fmt.Fprintf(&all, `
apiVersion: v1
kind: ServiceAccount
metadata: {name: %[1]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: %[1]s}
rules:
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [%[2]s], verbs: [get, watch, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: %[1]s}
subjects: [{kind: ServiceAccount, name: %[1]s}]
`, instance, strings.Join(names, ", "))
	return all.String()
}
