//go:build acceptance

package acceptance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPromise11APlanOfYesterdayAppliesWithTheCredentialsOfToday(t *testing.T) {
	on(t, func(s *stage) {
		renew, signIn := s.passingCredentials()
		s.write(object{s.name(): signIn}, object{"resource": object{"pattern_sidecar": object{"web": demo()}}})
		s.apply()
		s.write(object{s.name(): signIn}, object{"resource": object{"pattern_sidecar": object{"web": with(demo(), object{"main.env": object{"COLOUR": "green"}})}}})
		s.must("plan", "-out=saved.tfplan")
		renew()
		s.must("apply", "saved.tfplan")
		s.unchanged("with the new credentials")
		s.destroy()
	})
}

// passingCredentials gives an engine's part of the provider's configuration whose credentials renew makes invalid; from then
// on, others are where the provider finds them.
func (s *stage) passingCredentials() (renew func(), signIn object) {
	if n, ok := s.cluster.(*nomad); ok {
		return n.passingToken(s)
	}
	refused := 0
	valid := "yesterday"
	file := filepath.Join(s.dir, "token")
	require.NoError(s, os.WriteFile(file, []byte(valid), 0o600))
	guard := newGuard(s.T, s.proxy.URL, func(r *http.Request) bool {
		in := r.Header.Get("Authorization") == "Bearer "+valid
		if !in {
			refused++
		}
		return in
	})
	s.Cleanup(func() { assert.Zero(s, refused, "a new process of the provider asks the plugin anew") })
	return func() {
		valid = "today"
		require.NoError(s, os.WriteFile(file, []byte(valid), 0o600))
	}, s.byPlugin(guard, "token=$(cat "+file+")")
}

// byPlugin is a configuration of Kubernetes with a credential plugin whose tokens a line of shell makes, and that are valid
// for a second.
func (s *stage) byPlugin(guard tlsServer, line string) object {
	s.Helper()
	plugin := filepath.Join(s.dir, "plugin.sh")
	require.NoError(s, os.WriteFile(plugin, fmt.Appendf(nil, `#!/bin/sh
%s
until=$(date -u -d "+1 second" +%%Y-%%m-%%dT%%H:%%M:%%SZ)
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%%s","expirationTimestamp":"%%s"}}' "$token" "$until"
`, line), 0o700))
	return object{
		"host": guard.url, "cluster_ca_certificate": guard.ca, "namespace": s.namespace,
		"exec": object{"api_version": "client.authentication.k8s.io/v1", "command": plugin},
	}
}

// passingToken is in a file, which is read again for each request; the old one is deleted in Nomad itself.
func (n *nomad) passingToken(s *stage) (renew func(), signIn object) {
	file := filepath.Join(s.dir, "token")
	make := func() *api.ACLToken {
		token, _, err := n.client.ACLTokens().Create(&api.ACLToken{Name: s.namespace, Type: "management"}, nil)
		require.NoError(s, err)
		require.NoError(s, os.WriteFile(file, []byte(token.SecretID+"\n"), 0o600))
		s.Cleanup(func() { _, _ = n.client.ACLTokens().Delete(token.AccessorID, nil) })
		return token
	}
	old := make()
	return func() {
		make()
		_, err := n.client.ACLTokens().Delete(old.AccessorID, nil)
		require.NoError(s, err)
	}, object{"address": s.proxy.URL, "namespace": s.namespace, "token_file": file}
}

func TestPromise11CredentialsAreReadAgainDuringAnApply(t *testing.T) {
	on(t, func(s *stage) {
		slow := with(demo(), object{"main.probes.readiness.initial_delay": "4s"}) // so that a credential expires meanwhile
		if s.name() == "kubernetes" {
			tokens := map[string]bool{}
			guard := newGuard(s.T, s.proxy.URL, func(r *http.Request) bool {
				tokens[r.Header.Get("Authorization")] = true
				return true
			})
			runs := filepath.Join(s.dir, "runs")
			s.write(object{s.name(): s.byPlugin(guard, fmt.Sprintf("echo run >>%[1]q; token=token-$(wc -l <%[1]q)", runs))},
				object{"resource": object{"pattern_sidecar": object{"web": slow}}})
			s.apply()
			assert.GreaterOrEqual(s, len(tokens), 2, "the plugin is asked again when its credential has expired: %v", tokens)
			return
		}
		renew, signIn := s.passingCredentials()
		s.proxy.act(nil, func(n int, _ *http.Request) bool {
			if n == 4 { // after its answer; the next request comes with the new token
				renew()
			}
			return true
		})
		s.write(object{s.name(): signIn}, object{"resource": object{"pattern_sidecar": object{"web": slow}}})
		s.apply()
		s.proxy.act(nil, nil)
		s.destroy()
	})
}
