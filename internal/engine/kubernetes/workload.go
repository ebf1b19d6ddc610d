package kubernetes

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// workload of a group: what makes its Pods.
func workload(t *topology.Topology, g *topology.Group) (any, error) {
	template, err := podTemplate(t, g)
	if err != nil {
		return nil, err
	}
	m := meta(t, g.Name, ObjectName(t.Name, g.Name))
	m.Labels[labelRevision] = template.Labels[labelRevision]
	switch g.Identity {
	case topology.Stable:
		return statefulSet(t, g, m, template), nil
	case topology.ToCompletion:
		return job(g, m, template), nil
	default:
		return deployment(t, g, m, template), nil
	}
}

func replicas(g *topology.Group) *int32 {
	if g.Replicas == nil {
		return nil // an autoscaler's
	}
	return new(int32(*g.Replicas))
}

func deployment(t *topology.Topology, g *topology.Group, m metav1.ObjectMeta, template corev1.PodTemplateSpec) *appsv1.Deployment {
	d := &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: m,
		Spec: appsv1.DeploymentSpec{
			Replicas:        replicas(g),
			Selector:        &metav1.LabelSelector{MatchLabels: selector(t, g.Name)},
			Template:        template,
			MinReadySeconds: int32(g.Update.MinReadySeconds),
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{
				MaxUnavailable: new(intstr.FromInt32(0)), MaxSurge: new(intstr.FromInt32(1)),
			}},
		},
	}
	if g.Update.ProgressSeconds > 0 {
		// The API wants it above the time that a replica must be ready.
		d.Spec.ProgressDeadlineSeconds = new(int32(max(g.Update.ProgressSeconds, g.Update.MinReadySeconds+1)))
	}
	if heldByOne(g) {
		// A new replica on another machine would wait for ever for the volume that the old one holds.
		d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	}
	return d
}

func statefulSet(t *topology.Topology, g *topology.Group, m metav1.ObjectMeta, template corev1.PodTemplateSpec) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"},
		ObjectMeta: m,
		Spec: appsv1.StatefulSetSpec{
			Replicas:        replicas(g),
			Selector:        &metav1.LabelSelector{MatchLabels: selector(t, g.Name)},
			Template:        template,
			ServiceName:     peersName(t.Name, g.Name),
			MinReadySeconds: int32(g.Update.MinReadySeconds),
			// An ordered set waits for ever for a replica that cannot become ready, and so can never be rolled back.
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			UpdateStrategy:       appsv1.StatefulSetUpdateStrategy{Type: appsv1.RollingUpdateStatefulSetStrategyType},
			VolumeClaimTemplates: ownClaims(t, g),
		},
	}
}

// job has its revision in its name, because the template of a Job cannot change.
func job(g *topology.Group, m metav1.ObjectMeta, template corev1.PodTemplateSpec) *batchv1.Job {
	c := topology.Completion{Count: 1, Parallelism: 1}
	if g.Completion != nil {
		c = *g.Completion
	}
	m.Name += "-" + template.Labels[labelRevision]
	j := &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: m,
		Spec: batchv1.JobSpec{
			Template:       template,
			Completions:    new(int32(max(c.Count, 1))),
			Parallelism:    new(int32(max(c.Parallelism, 1))),
			CompletionMode: new(batchv1.NonIndexedCompletion),
		},
	}
	if c.Count > 1 || usesIndex(g) {
		j.Spec.CompletionMode = new(batchv1.IndexedCompletion)
		j.Spec.BackoffLimitPerIndex = new(int32(c.Retries))
		// Each must succeed, so the first that cannot ends the rest.
		j.Spec.MaxFailedIndexes = new(int32(0))
	} else {
		j.Spec.BackoffLimit = new(int32(c.Retries))
	}
	return j
}

func usesIndex(g *topology.Group) bool {
	for _, c := range g.Containers {
		for _, e := range c.Env {
			if e.Field == topology.FieldIndex {
				return true
			}
		}
	}
	return false
}

// disruptionBudget of a group, where the user asks for one.
func disruptionBudget(t *topology.Topology, g *topology.Group) (any, error) {
	x, err := extras(g)
	if err != nil || x.MaxUnavailable == "" {
		return nil, err
	}
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"},
		ObjectMeta: meta(t, g.Name, ObjectName(t.Name, g.Name)),
		Spec: policyv1.PodDisruptionBudgetSpec{
			Selector:       &metav1.LabelSelector{MatchLabels: selector(t, g.Name)},
			MaxUnavailable: new(intstr.Parse(x.MaxUnavailable)),
			// A replica that is not ready serves nobody, and must not keep a machine from being drained.
			UnhealthyPodEvictionPolicy: new(policyv1.AlwaysAllow),
		},
	}, nil
}
