package kubernetes

import (
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

const rbacGroup = "rbac.authorization.k8s.io"

// serviceAccount that a group's Pods run as; empty is the namespace's default, whose token is not mounted.
func serviceAccount(t *topology.Topology, g *topology.Group, x *Extras) string {
	switch {
	case x.ServiceAccount != "":
		return x.ServiceAccount
	case len(g.Grants) > 0:
		return ObjectName(t.Name, g.Name)
	}
	return ""
}

// grants of a group: an account of its own unless one is given, a role that is bound to it, and the Leases of its elections.
func grants(t *topology.Topology, g *topology.Group) ([]any, error) {
	if len(g.Grants) == 0 {
		return nil, nil
	}
	x, err := extras(g)
	if err != nil {
		return nil, err
	}
	m := meta(t, g.Name, ObjectName(t.Name, g.Name))
	var out []any
	if x.ServiceAccount == "" {
		out = append(out, &corev1.ServiceAccount{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"}, ObjectMeta: m})
	}
	role := &rbacv1.Role{TypeMeta: metav1.TypeMeta{APIVersion: rbacGroup + "/v1", Kind: "Role"}, ObjectMeta: m}
	for _, grant := range g.Grants {
		role.Rules = append(role.Rules, rules(t, grant)...)
		if grant.Verb == topology.GrantElect {
			for _, n := range grant.Names {
				out = append(out, &coordinationv1.Lease{
					TypeMeta: metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"}, ObjectMeta: meta(t, g.Name, ObjectName(t.Name, n)),
				})
			}
		}
	}
	return append(out, role, &rbacv1.RoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacGroup + "/v1", Kind: "RoleBinding"},
		ObjectMeta: m,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacGroup, Kind: "Role", Name: m.Name},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: serviceAccount(t, g, &x), Namespace: t.Namespace}},
	}), nil
}

func rules(t *topology.Topology, g topology.Grant) []rbacv1.PolicyRule {
	switch g.Verb {
	case topology.GrantElect:
		var names []string
		for _, n := range g.Names {
			names = append(names, ObjectName(t.Name, n))
		}
		// They are made here, so that nobody else need be allowed to make any.
		return []rbacv1.PolicyRule{{
			APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: names, Verbs: []string{"get", "watch", "patch"},
		}}
	case topology.GrantScale:
		return scaleRules(t, g.Names)
	default:
		return []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "watch"}},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"get", "list", "watch"}},
		}
	}
}

// scaleRules name the workloads of the groups; no name means all groups of the instance.
func scaleRules(t *topology.Topology, groups []string) []rbacv1.PolicyRule {
	if len(groups) == 0 {
		for _, g := range t.Groups {
			groups = append(groups, g.Name)
		}
	}
	names := map[string][]string{}
	for _, g := range t.Groups {
		for _, n := range groups {
			switch {
			case g.Name != n:
			case g.Identity == topology.Interchangeable:
				names["deployments"] = append(names["deployments"], ObjectName(t.Name, n))
			case g.Identity == topology.Stable:
				names["statefulsets"] = append(names["statefulsets"], ObjectName(t.Name, n))
			}
		}
	}
	var out []rbacv1.PolicyRule
	for _, plural := range []string{"deployments", "statefulsets"} {
		if len(names[plural]) > 0 {
			out = append(out,
				rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{plural}, ResourceNames: names[plural], Verbs: []string{"get"}},
				rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{plural + "/scale"}, ResourceNames: names[plural], Verbs: []string{"get", "update", "patch"}})
		}
	}
	return out
}
