package secret_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"berth/domain"
	"berth/secret"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func wantKind(t *testing.T, err error, k domain.Kind) {
	t.Helper()
	if !domain.Is(err, k) {
		t.Fatalf("error %v is of kind %v, want %v", err, domain.KindOf(err), k)
	}
}

func seal(t *testing.T, r *secret.Ring, plain, aad string) string {
	t.Helper()
	sealed, err := r.Seal([]byte(plain), aad)
	must(t, err)
	return sealed
}

func opens(t *testing.T, r *secret.Ring, sealed, aad, want string) {
	t.Helper()
	plain, err := r.Open(sealed, aad)
	must(t, err)
	if string(plain) != want {
		t.Fatalf("opened %q, want %q", plain, want)
	}
}

func TestSealOpen(t *testing.T) {
	ring := secret.Generate()
	for _, plain := range []string{"", "hunter2", strings.Repeat("x", 1<<20)} {
		sealed := seal(t, ring, plain, "clusters/1")
		if plain != "" && strings.Contains(sealed, plain) {
			t.Fatal("the sealed value shows the plain one")
		}
		if secret.KeyID(sealed) != ring.Primary() {
			t.Fatalf("key ID is %q, want %q", secret.KeyID(sealed), ring.Primary())
		}
		if again := seal(t, ring, plain, "clusters/1"); again == sealed {
			t.Fatal("the same value seals to the same text twice")
		}
		opens(t, ring, sealed, "clusters/1", plain)
	}
}

func TestOpenRefuses(t *testing.T) {
	ring := secret.Generate()
	sealed := seal(t, ring, "hunter2", "clusters/1")
	other := seal(t, ring, "other", "clusters/1")
	parts, others := strings.Split(sealed, "."), strings.Split(other, ".")
	flipped := func(i int) string {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		must(t, err)
		raw[len(raw)-1] ^= 1
		changed := append([]string{}, parts...)
		changed[i] = base64.RawURLEncoding.EncodeToString(raw)
		return strings.Join(changed, ".")
	}
	for name, c := range map[string]struct {
		ring        *secret.Ring
		sealed, aad string
	}{
		"moved to another place":    {ring, sealed, "clusters/2"},
		"another ring":              {secret.Generate(), sealed, "clusters/1"},
		"altered data key":          {ring, flipped(2), "clusters/1"},
		"altered value":             {ring, flipped(3), "clusters/1"},
		"data key of another value": {ring, strings.Join([]string{parts[0], parts[1], others[2], parts[3]}, "."), "clusters/1"},
		"empty":                     {ring, "", "clusters/1"},
		"plain text":                {ring, "hunter2", "clusters/1"},
		"too short":                 {ring, parts[0] + "." + parts[1] + ".AA.AA", "clusters/1"},
		"no base64":                 {ring, parts[0] + "." + parts[1] + ".!!.!!", "clusters/1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.ring.Open(c.sealed, c.aad)
			wantKind(t, err, domain.Permanent)
			if strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("the error shows the value: %v", err)
			}
		})
	}
}

func TestRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	ring, err := secret.LoadOrGenerate(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Fatalf("mode of the file is %v", info.Mode())
	}
	other, err := secret.Load(path) // as another process
	must(t, err)
	old := ring.Primary()
	before := seal(t, ring, "before", "x")
	fresh, err := ring.Rotate()
	must(t, err)
	if fresh == old || ring.Primary() != fresh {
		t.Fatalf("primary key is %s after rotation to %s from %s", ring.Primary(), fresh, old)
	}
	if now := seal(t, other, "now", "x"); secret.KeyID(now) != fresh {
		t.Fatalf("another process still seals under %s", secret.KeyID(now))
	}
	after := seal(t, ring, "after", "x")
	opens(t, ring, before, "x", "before")
	opens(t, other, after, "x", "after") // learns of the key by itself
	if other.Primary() != fresh {
		t.Fatalf("the other process still seals under %s", other.Primary())
	}
	info, err = os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Fatalf("mode of the file after rotation is %v", info.Mode())
	}

	wantKind(t, ring.Forget(fresh), domain.Conflict)
	wantKind(t, ring.Forget("none"), domain.NotFound)
	must(t, ring.Forget(old))
	_, err = ring.Open(before, "x")
	wantKind(t, err, domain.Permanent)
	again, err := secret.Load("file:" + path)
	must(t, err)
	if ids := again.KeyIDs(); len(ids) != 1 || ids[0] != fresh {
		t.Fatalf("keys in the file are %v, want %s alone", ids, fresh)
	}
}

func TestRotateFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	must(t, os.Mkdir(dir, 0o700))
	ring, err := secret.LoadOrGenerate(filepath.Join(dir, "ring"))
	must(t, err)
	old := ring.Primary()
	must(t, os.RemoveAll(dir))
	_, err = ring.Rotate()
	wantKind(t, err, domain.Unavailable) // the folder is gone
	if ring.Primary() != old {
		t.Fatal("a key that was not saved is in use")
	}
}

// TestRotateTogether rotates one file from several processes: no key is lost.
func TestRotateTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	_, err := secret.LoadOrGenerate(path)
	must(t, err)
	sealed := make([]string, 8)
	var wg sync.WaitGroup
	for i := range sealed {
		wg.Go(func() {
			ring, err := secret.Load(path)
			if err == nil {
				_, err = ring.Rotate()
			}
			if err == nil {
				sealed[i], err = ring.Seal([]byte("x"), "y")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ring, err := secret.Load(path)
	must(t, err)
	if n := len(ring.KeyIDs()); n != 9 {
		t.Fatalf("the file has %d keys, want 9", n)
	}
	for _, s := range sealed {
		opens(t, ring, s, "y", "x")
	}
}

func TestLoadOrGenerateTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	primaries := make([]string, 10)
	var wg sync.WaitGroup
	for i := range primaries {
		wg.Go(func() {
			ring, err := secret.LoadOrGenerate(path)
			if err != nil {
				t.Error(err)
				return
			}
			primaries[i] = ring.Primary()
		})
	}
	wg.Wait()
	for _, p := range primaries {
		if p != primaries[0] {
			t.Fatalf("processes started with different rings: %v", primaries)
		}
	}
	files, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("files left over: %v", files)
	}
}

func TestLoad(t *testing.T) {
	ring := secret.Generate()
	data, err := ring.Marshal()
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "ring"), data, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "open"), data, 0o600))
	must(t, os.Chmod(filepath.Join(dir, "open"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "broken"), []byte(`{"primary":"a","keys":{"a":"c2hvcnQ="}}`), 0o600))
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Setenv("BERTH_TEST_RING", string(data))
	for _, source := range []string{"env:BERTH_TEST_RING", "credential:ring", "file:" + dir + "/ring", dir + "/ring"} {
		got, err := secret.Load(source)
		must(t, err)
		opens(t, got, seal(t, ring, "x", "y"), "y", "x")
	}
	for source, kind := range map[string]domain.Kind{
		"env:BERTH_TEST_NONE":     domain.NotFound,
		"credential:none":         domain.NotFound,
		"credential:../ring":      domain.NotFound,
		dir + "/none":             domain.NotFound,
		dir + "/open":             domain.Forbidden,
		"credential:open":         domain.Forbidden,
		"file:" + dir + "/broken": domain.Invalid,
	} {
		_, err := secret.Load(source)
		t.Run(source, func(t *testing.T) { wantKind(t, err, kind) })
	}
	for _, text := range []string{"", "{}", "nonsense", `{"primary":"a","keys":{}}`, `{"primary":"a","keys":{"a":"!"}}`} {
		_, err := secret.Unmarshal([]byte(text))
		wantKind(t, err, domain.Invalid)
	}
}
