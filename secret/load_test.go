package secret_test

import (
	"os"
	"path/filepath"
	"testing"

	"berth/domain"
	"berth/secret"
)

// TestSourcesThatBerthCannotWrite: what systemd or the environment brings is read as it is, and never made up.
func TestSourcesThatBerthCannotWrite(t *testing.T) {
	credentials, elsewhere := t.TempDir(), t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	ring := secret.Generate()
	data, err := ring.Marshal()
	must(t, err)
	t.Setenv("TEST_RING", string(data))
	for _, dir := range []string{credentials, elsewhere} {
		must(t, os.WriteFile(filepath.Join(dir, "ring"), data, 0o400))
		must(t, os.Chmod(filepath.Join(dir, "ring"), 0o440)) // as systemd's credentials are
	}
	for _, source := range []string{"env:TEST_RING", "credential:ring", filepath.Join(credentials, "ring")} {
		got, err := secret.LoadOrGenerate(source)
		must(t, err)
		if got.Primary() != ring.Primary() {
			t.Errorf("%s: another ring", source)
		}
		if _, writable := secret.File(source); writable {
			t.Errorf("%s counts as writable", source)
		}
	}
	_, err = secret.LoadOrGenerate(filepath.Join(elsewhere, "ring"))
	wantKind(t, err, domain.Forbidden)
	for _, source := range []string{"env:TEST_NONE", "credential:none", filepath.Join(credentials, "none")} {
		_, err := secret.LoadOrGenerate(source)
		wantKind(t, err, domain.NotFound)
	}
	fresh := filepath.Join(elsewhere, "fresh")
	_, err = secret.LoadOrGenerate("file:" + fresh)
	must(t, err)
	if path, writable := secret.File("file:" + fresh); path != fresh || !writable {
		t.Errorf("file:%s is %q, writable %v", fresh, path, writable)
	}
}
