package templates_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berth/domain"
	"berth/templates"
	"berth/templates/nginxtest"
)

// TestNginxGolden renders the inputs in testdata/nginx and gives each configuration to the real nginx, in a folder of its own and
// in the spelling of the nginx that is here.
func TestNginxGolden(t *testing.T) {
	golden(t, "testdata/nginx", func(s domain.Snapshot, o templates.NginxOptions) (templates.Files, []templates.Problem, error) {
		files, left, err := templates.Nginx(s, o)
		if err != nil {
			return files, left, err
		}
		o.Dir, o.RunDir, o.User, o.Listen, o.HTTP2 = t.TempDir(), t.TempDir(), "", []string{"127.0.0.1"}, false
		testWithNginx(t, s, o)
		for name := range files { // the same in each
			if strings.HasPrefix(name, "pages/") {
				delete(files, name)
			}
		}
		return files, left, err
	})
}

func testWithNginx(t *testing.T, s domain.Snapshot, o templates.NginxOptions) {
	t.Helper()
	files, _, err := templates.Nginx(s, o)
	if err != nil {
		t.Fatal(err)
	}
	nginxtest.Write(t, o, files)
	conf := filepath.Join(o.Dir, templates.NginxConf)
	if out, err := exec.Command("nginx", "-t", "-q", "-p", o.RunDir, "-e", "stderr", "-c", conf).CombinedOutput(); err != nil {
		t.Errorf("nginx -t: %v\n%s", err, out)
	}
}

// TestNginxKeys sees that a key is in its own file alone.
func TestNginxKeys(t *testing.T) {
	const id = "0195a000-0000-7000-8000-000000000900"
	chain, key := nginxtest.Certificate(t, "app.example.com")
	files, left, err := templates.Nginx(domain.Snapshot{
		Site: "demo", Domain: "demo.internal", CIDR: "198.18.0.0/24", Gateway: "198.18.0.1", RangeFirst: "198.18.0.10", RangeLast: "198.18.0.20",
		Services: []domain.ServedService{{
			ID: "0195a000-0000-7000-8000-000000000101", Hostname: "web01", Certificate: id,
			ServiceSpec: domain.ServiceSpec{Kind: domain.ServiceHTTP, Port: 80, Host: "app.example.com"},
		}},
		Certificates: []domain.EdgeCertificate{{ID: id, Chain: chain, Key: key}},
	}, templates.NginxOptions{Dir: "/d", RunDir: "/r", Resolver: "127.0.0.1"})
	if err != nil || len(left) > 0 {
		t.Fatalf("left out %v, error %v", left, err)
	}
	for name, content := range files {
		if has := strings.Contains(content, key); has != (name == "certificates/"+id+".key") {
			t.Errorf("that %s has the key is %v", name, has)
		}
	}
	if want := "ssl_certificate_key /d/certificates/" + id + ".key;"; !strings.Contains(files[templates.NginxConf], want) {
		t.Errorf("the configuration lacks %q", want)
	}
}
