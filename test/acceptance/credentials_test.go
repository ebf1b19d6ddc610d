//go:build acceptance

package acceptance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	file, runs := filepath.Join(s.dir, "token"), filepath.Join(s.dir, "runs")
	plugin := filepath.Join(s.dir, "plugin.sh")
	require.NoError(s, os.WriteFile(plugin, fmt.Appendf(nil, `#!/bin/sh
echo run >>%q
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%%s"}}' "$(cat %q)"
`, runs, file), 0o700))
	valid := ""
	set := func(token string) {
		valid = token
		require.NoError(s, os.WriteFile(file, []byte(token), 0o600))
	}
	set("yesterday")
	accepted, refused := 0, 0
	guard := newGuard(s.T, s.proxy.URL, func(r *http.Request) bool {
		if r.Header.Get("Authorization") == "Bearer "+valid {
			accepted++
			return true
		}
		refused++
		return false
	})
	s.Cleanup(func() {
		raw, _ := os.ReadFile(runs)
		assert.Positive(s, strings.Count(string(raw), "run"))
		assert.Positive(s, accepted)
		assert.Zero(s, refused, "a new process of the provider asks the plugin anew")
	})
	return func() { set("today") }, object{
		"host": guard, "namespace": s.namespace,
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

// A token that expires in the middle of an apply is asked for again.
func TestPromise11CredentialsThatExpireDuringAnApplyAreReadAgain(t *testing.T) {
	on(t, func(s *stage) {
		renew, signIn := s.passingCredentials()
		if s.name() == "kubernetes" {
			s.Skip("client-go itself asks an exec plugin again after a 401: that request has failed, and is repeated")
		}
		s.proxy.act(func(n int, _ *http.Request) bool {
			if n == 4 {
				renew()
			}
			return true
		}, nil)
		s.write(object{s.name(): signIn}, object{"resource": object{"pattern_sidecar": object{"web": demo()}}})
		begun := time.Now()
		s.apply()
		s.Logf("applied in %s", time.Since(begun).Round(time.Second))
		s.proxy.act(nil, nil)
		s.destroy()
	})
}
