package store_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"berth/domain"
	"berth/store/storetest"
)

// TestSecretsAtRest looks for secrets in everything SQLite wrote, freed pages and log included.
func TestSecretsAtRest(t *testing.T) {
	e := newEnv(t, storetest.Backends()[0])
	s := e.site(t, "demo")
	e.cluster(t, "alpha")
	e.registry(t, "ghcr.io")
	c := e.container(t, s, "web01")
	must(t, e.ModifyContainer(e.ctx, c.ID, func(c *domain.Container) error {
		c.Spec.Env["API_KEY"] = "topsecret"
		return nil
	}))
	must(t, e.SetSecret(e.ctx, "ca", []byte("PRIVATE KEY")))
	found := false
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(strings.TrimPrefix(e.dsn, "sqlite://") + suffix)
		must(t, err)
		found = found || bytes.Contains(data, []byte("web01"))
		for _, word := range []string{"s3cret-alpha", "pull-ghcr.io", "hunter2", "topsecret", "PASSWORD", "API_KEY", "PRIVATE KEY"} {
			if bytes.Contains(data, []byte(word)) {
				t.Errorf("%s is in the clear in the database file%s", word, suffix)
			}
		}
	}
	same(t, "the container's name is found by this search", found, true)
}
