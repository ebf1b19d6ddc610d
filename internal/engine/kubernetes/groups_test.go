package kubernetes

import "github.com/container-patterns/terraform-provider-pattern/internal/topology"

// workers is an instance of two groups: a server with its data, and workers that it scales and that find it by a file.
func workers() *topology.Topology {
	t := minimal()
	t.Secrets = []topology.Secret{{Name: "worker-token", Generate: map[string]int{"token": 32}}}
	t.Configs = []topology.Config{{Name: "resize", Reload: true, Files: map[string]string{"config.yaml": "stage: resize\n"}}}
	t.Groups = []topology.Group{
		{
			Name: "queue", Identity: topology.Stable, Replicas: new(1), Termination: topology.Termination{GraceSeconds: 30},
			Volumes:  []topology.Volume{{Name: "queue-data", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 30}}},
			Services: []topology.Service{{Name: t.Name, Ports: []topology.ServicePort{{Name: "http", Port: 8080, Target: "http"}}}},
			Grants:   []topology.Grant{{Verb: topology.GrantScale, Names: []string{"resize"}}},
			Containers: []topology.Container{{
				Name: "queue", Role: topology.Main, Framework: true, Image: "registry.test/queue:1",
				Ports:  []topology.Port{{Name: "http", Number: 8080, Protocol: "tcp"}},
				Mounts: []topology.Mount{{Volume: "queue-data", Path: "/data"}},
			}},
		},
		{
			Name: "resize", Identity: topology.Stable, Termination: topology.Termination{GraceSeconds: 30},
			Volumes: []topology.Volume{
				{Name: "bin", Ephemeral: &topology.EphemeralVolume{SizeBytes: 32 << 20}},
				{Name: "work", Ephemeral: &topology.EphemeralVolume{SizeBytes: 1 << 30}},
				{Name: "config", Config: "resize"},
				{Name: "token", Secret: &topology.SecretVolume{Name: "worker-token", Own: true}},
				{Name: "endpoints", Endpoints: []topology.EndpointFile{{File: "queue", Service: t.Name, Port: "http"}}},
			},
			Containers: []topology.Container{
				{Name: "worker", Role: topology.Init, Framework: true, Image: "registry.test/worker:1", Args: []string{"install", "/pattern/bin"}, Mounts: []topology.Mount{{Volume: "bin", Path: "/pattern/bin"}}},
				{
					Name: "main", Origin: "main", Role: topology.Main, Image: "registry.test/resize:1", Command: []string{"/pattern/bin/worker"},
					Env: []topology.Env{{Name: "INDEX", Field: topology.FieldIndex}},
					Mounts: []topology.Mount{
						{Volume: "bin", Path: "/pattern/bin", ReadOnly: true}, {Volume: "work", Path: "/pattern/work"}, {Volume: "config", Path: "/pattern/config", ReadOnly: true},
						{Volume: "token", Path: "/pattern/token", ReadOnly: true}, {Volume: "endpoints", Path: "/pattern/endpoints", ReadOnly: true},
					},
				},
			},
		},
	}
	return t
}
