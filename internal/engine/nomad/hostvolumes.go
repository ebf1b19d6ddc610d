package nomad

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// makeVolumes makes those that are not there, and waits until their nodes have them.
func (e *Engine) makeVolumes(ctx context.Context, k topology.Key, volumes []HostVolume, counts map[string]int) error {
	if len(volumes) == 0 {
		return nil
	}
	there, err := e.hostVolumes(ctx, k)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		for _, name := range v.names(max(1, counts[v.Group])) {
			if there[name] != nil {
				continue
			}
			if err := e.makeVolume(ctx, k, v, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// hostVolumes of the namespace by name.
func (e *Engine) hostVolumes(ctx context.Context, k topology.Key) (map[string]*api.HostVolumeStub, error) {
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	list, _, err := c.HostVolumes().List(nil, e.query(ctx, k.Namespace))
	if err != nil {
		return nil, e.fault("list host volumes", err)
	}
	out := map[string]*api.HostVolumeStub{}
	for _, v := range list {
		out[v.Name] = v
	}
	return out, nil
}

func (e *Engine) makeVolume(ctx context.Context, k topology.Key, v HostVolume, name string) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	volume := &api.HostVolume{
		Namespace: k.Namespace, Name: name, PluginID: v.Plugin, NodePool: v.NodePool, Constraints: v.Constraints,
		RequestedCapacityMinBytes: v.SizeBytes, RequestedCapacityMaxBytes: v.SizeBytes,
		RequestedCapabilities: []*api.HostVolumeCapability{{AttachmentMode: api.HostVolumeAttachmentModeFilesystem, AccessMode: v.AccessMode}},
	}
	if v.Plugin == defaultPlugin {
		// Containers run as different users, none of which is root.
		volume.Parameters = map[string]string{"mode": "0777"}
	}
	made, _, err := c.HostVolumes().Create(&api.HostVolumeCreateRequest{Volume: volume}, e.write(ctx, k.Namespace))
	if err != nil {
		if status(err) == http.StatusForbidden {
			return e.fault("make the host volume "+name+" (capability host-volume-create)", err)
		}
		return &engine.RejectedError{Object: "host volume " + k.Namespace + "/" + name, Reason: unplaced(body(err)), Err: err}
	}
	for id, index := made.Volume.ID, uint64(0); ; {
		q := e.query(ctx, k.Namespace)
		q.WaitIndex, q.WaitTime = index, blockingTime
		got, meta, err := c.HostVolumes().Get(id, q)
		if err != nil {
			return e.fault("read the host volume "+name, err)
		}
		if got.State == api.HostVolumeStateReady {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("host volume %s is %s: %w", name, got.State, err)
		}
		index = meta.LastIndex
	}
}

// unplaced adds to Nomad's reason what it leaves out: nodes that "had existing volume" may have it of another namespace.
func unplaced(reason string) string {
	if !strings.Contains(reason, "had existing volume") {
		return reason
	}
	return reason + ".\nA node has one volume of a name, whatever its namespace: an instance of the same name is in another namespace, or has left its volume there. Give this one another name, or it needs another node."
}

// deleteVolumes removes those that the instance was told to remove, and returns what is left.
func (e *Engine) deleteVolumes(ctx context.Context, k topology.Key, names []string) error {
	if len(names) == 0 {
		return nil
	}
	there, err := e.hostVolumes(ctx, k)
	if err != nil {
		return err
	}
	c, err := e.connect()
	if err != nil {
		return err
	}
	for _, name := range names {
		v := there[name]
		if v == nil {
			continue
		}
		for {
			_, _, err := c.HostVolumes().Delete(&api.HostVolumeDeleteRequest{ID: v.ID}, e.write(ctx, k.Namespace))
			if err == nil || status(err) == http.StatusNotFound {
				break
			}
			// The claim of an allocation that has just ended takes a moment to go.
			if !strings.Contains(body(err), "in use") && !strings.Contains(body(err), "claim") {
				return e.fault("delete the host volume "+name, err)
			}
			select {
			case <-ctx.Done():
				return &engine.RemainsError{Key: k, Objects: []string{"host volume " + k.Namespace + "/" + name + " (in use)"}}
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	return nil
}
