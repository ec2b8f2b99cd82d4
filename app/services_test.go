package app_test

import (
	"strings"
	"testing"

	"berth/app"
	"berth/domain"
	"berth/templates/nginxtest"
)

func publish(kind domain.ServiceKind, host string, external int) domain.ServiceSpec {
	return domain.ServiceSpec{Kind: kind, Host: host, Port: 80, ExternalPort: external}
}

// exposed lets anna publish something of everything, and returns her container and bob's.
func exposed(t *testing.T, w *world) (annas, bobs domain.Container) {
	t.Helper()
	annas, bobs = w.ready(t, anna, "web01"), w.ready(t, bob, "web02")
	_, err := w.ExternalDomains.Create(t.Context(), root, app.ExternalDomainInput{Name: "Example.org.", AuthServer: "https://auth.example.org"})
	must(t, err)
	_, err = w.ExternalDomains.Create(t.Context(), root, app.ExternalDomainInput{Name: "example.net"})
	must(t, err)
	srv := domain.ServiceSpec{Kind: domain.ServiceSRV, Port: 80, SRV: domain.SRVOptions{Name: "_http._tcp"}}
	_, op, err := w.Containers.ChangeServices(t.Context(), anna, annas.ID, "", app.ServicesChange{Add: []domain.ServiceSpec{
		publish(domain.ServiceHTTP, "App.Example.org.", 0), publish(domain.ServiceTCP, "", 2022), publish(domain.ServiceUDP, "", 2022), srv,
	}}, "")
	must(t, err)
	if op.Kind != domain.OpExpose || op.State != domain.OpPending {
		t.Errorf("the operation is %s and %s", op.Kind, op.State)
	}
	return annas, bobs
}

// TestServicesOfOthers tries what one tenant may try on another's names, ports and records.
func TestServicesOfOthers(t *testing.T) {
	w := newWorld(t)
	annas, bobs := exposed(t, w)
	srv := func(name string) domain.ServiceSpec {
		return domain.ServiceSpec{Kind: domain.ServiceSRV, Port: 80, SRV: domain.SRVOptions{Name: name}}
	}
	tls := publish(domain.ServiceTCP, "app.example.org", 2100)
	tls.Stream.TLS = true
	authless := publish(domain.ServiceHTTP, "mine.example.net", 0)
	authless.HTTP.Auth = true
	for name, c := range map[string]struct {
		add  domain.ServiceSpec
		kind domain.Kind
	}{
		"the same name":                      {publish(domain.ServiceHTTP, "app.example.org", 0), domain.Conflict},
		"in capitals":                        {publish(domain.ServiceHTTP, "APP.example.ORG", 0), domain.Conflict},
		"with a final dot":                   {publish(domain.ServiceHTTP, "app.example.org.", 0), domain.Conflict},
		"with two final dots":                {publish(domain.ServiceHTTP, "app.example.org..", 0), domain.Invalid},
		"a homograph":                        {publish(domain.ServiceHTTP, "аpp.example.org", 0), domain.Invalid}, // the first letter is Cyrillic
		"a homograph in punycode":            {publish(domain.ServiceHTTP, "xn--pp-8kc.example.org", 0), domain.Invalid},
		"a capital punycode":                 {publish(domain.ServiceHTTP, "XN--pp-8kc.example.org", 0), domain.Invalid},
		"a wildcard over it":                 {publish(domain.ServiceHTTP, "*.example.org", 0), domain.Invalid},
		"an underscore":                      {publish(domain.ServiceHTTP, "_acme-challenge.example.org", 0), domain.Invalid},
		"a name of another domain":           {publish(domain.ServiceHTTP, "app.example.com", 0), domain.Invalid},
		"a domain that only ends like ours":  {publish(domain.ServiceHTTP, "app.badexample.org", 0), domain.Invalid},
		"a name with a line break":           {publish(domain.ServiceHTTP, "a.example.org\nserver {", 0), domain.Invalid},
		"a name with a path":                 {publish(domain.ServiceHTTP, "a.example.org/x", 0), domain.Invalid},
		"its certificate by TLS on a port":   {tls, domain.Conflict},
		"its port":                           {publish(domain.ServiceTCP, "", 2022), domain.Conflict},
		"its UDP port":                       {publish(domain.ServiceUDP, "", 2022), domain.Conflict},
		"a port of the edge itself":          {publish(domain.ServiceTCP, "", 443), domain.Invalid},
		"a port that is none":                {publish(domain.ServiceTCP, "", 70000), domain.Invalid},
		"its SRV record":                     {srv("_http._tcp"), domain.Conflict},
		"an SRV record below its name":       {srv("_x._tcp.web01"), domain.Invalid},
		"an SRV record with a second record": {srv("_x._tcp,evil"), domain.Invalid},
		"sign-in where there is none":        {authless, domain.Invalid},
		"a host for udp":                     {publish(domain.ServiceUDP, "app.example.org", 2101), domain.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := w.Containers.ChangeServices(t.Context(), bob, bobs.ID, "", app.ServicesChange{Add: []domain.ServiceSpec{c.add}}, "")
			if !domain.Is(err, c.kind) {
				t.Errorf("got %v, want %s", err, c.kind)
			}
			if err != nil && (strings.Contains(err.Error(), "anna") || strings.Contains(err.Error(), "web01") && !strings.Contains(c.add.SRV.Name, "web01")) {
				t.Errorf("the answer tells who has it: %v", err)
			}
		})
	}
	mine, err := w.Containers.Services(t.Context(), bob, bobs.ID, "")
	must(t, err)
	if len(mine) != 0 {
		t.Errorf("bob has %d services after nothing but refusals", len(mine))
	}
	t.Run("see or remove them", func(t *testing.T) {
		theirs, err := w.Containers.Services(t.Context(), anna, annas.ID, "")
		must(t, err)
		_, err = w.Containers.Services(t.Context(), bob, annas.ID, "")
		wantKind(t, err, domain.NotFound)
		_, _, err = w.Containers.ChangeServices(t.Context(), bob, annas.ID, "", app.ServicesChange{Remove: []string{"app.example.org"}}, "")
		wantKind(t, err, domain.NotFound)
		for _, ref := range []string{theirs[0].ID, "app.example.org", "tcp/2022"} {
			_, _, err = w.Containers.ChangeServices(t.Context(), bob, bobs.ID, "", app.ServicesChange{Remove: []string{ref}}, "")
			wantKind(t, err, domain.Invalid)
		}
	})
}

func TestServicesAtCreation(t *testing.T) {
	w := newWorld(t)
	exposed(t, w)
	in := app.ContainerInput{
		Name: "web03", Site: "demo", Spec: domain.Spec{Image: "debian:12"},
		Services: []domain.ServiceSpec{publish(domain.ServiceHTTP, "three.example.org", 0), publish(domain.ServiceTCP, "", 2022)},
	}
	_, _, err := w.Containers.Create(t.Context(), anna, in, "")
	wantKind(t, err, domain.Conflict)
	_, err = w.Containers.Get(t.Context(), anna, "web03", "")
	wantKind(t, err, domain.NotFound) // all or nothing
	in.Services[1].ExternalPort = 0
	made, _, err := w.Containers.Create(t.Context(), anna, in, "")
	must(t, err)
	all, err := w.Containers.Services(t.Context(), anna, made.ID, "")
	must(t, err)
	if len(all) != 2 || all[1].ExternalPort != domain.DefaultPortFirst || all[0].State != domain.ServiceRequested {
		t.Errorf("the container exposes %+v", all)
	}
}

func TestServiceStateIsWhatEdgesSay(t *testing.T) {
	w := newWorld(t)
	annas, _ := exposed(t, w)
	all, err := w.Containers.Services(t.Context(), anna, annas.ID, "")
	must(t, err)
	edge := w.edgeActor(t, "edge1")
	must(t, w.Edges.Report(t.Context(), edge, domain.EdgeReport{
		Applied: all[0].Revision, Fetched: all[0].Revision, LeftOut: []domain.LeftOut{{ServiceID: all[1].ID, Reason: "bind() failed"}},
	}))
	all, err = w.Containers.Services(t.Context(), anna, annas.ID, "")
	must(t, err)
	if all[1].State != domain.ServiceFailing || !strings.Contains(all[1].Message, "edge1: bind() failed") {
		t.Errorf("what an edge leaves out is %s: %s", all[1].State, all[1].Message)
	}
	for _, by := range all[0].Edges {
		if by.Edge == "edge1" && (!by.Serves || by.Revision != all[0].Revision) {
			t.Errorf("edge1 is told to say %+v", by)
		}
	}
}

func TestUploadCertificate(t *testing.T) {
	w := newWorld(t)
	annas, _ := exposed(t, w)
	chain, key := nginxtest.Certificate(t, "app.example.org")
	_, otherKey := nginxtest.Certificate(t, "app.example.org")
	foreign, foreignKey := nginxtest.Certificate(t, "app.example.org", "app.example.com")
	for name, c := range map[string]struct{ chain, key, words string }{
		"another's key":     {chain, otherKey, "private key does not match public key"},
		"no PEM":            {"nonsense", key, "failed to find any PEM data"},
		"a name of others":  {foreign, foreignKey, "app.example.com is not"},
		"the key as chain":  {key, key, "must be PEM"},
		"nothing but chain": {chain, chain, "must be PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Certificates.Upload(t.Context(), root, c.chain, domain.Secret(c.key))
			wantKind(t, err, domain.Invalid)
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v, want %q", err, c.words)
			}
			if err != nil && strings.Contains(err.Error(), "PRIVATE KEY") {
				t.Errorf("the key is in %v", err)
			}
		})
	}
	made, err := w.Certificates.Upload(t.Context(), root, chain, domain.Secret(key))
	must(t, err)
	if made.Key != "" || made.Issuer != "app.example.org" || len(made.Names) != 1 {
		t.Errorf("the answer is %+v", made)
	}
	all, err := w.Containers.Services(t.Context(), anna, annas.ID, "")
	must(t, err)
	if all[0].Certificate.ID != made.ID || all[1].Certificate.ID != "" {
		t.Errorf("the name has certificate %q, the port %q", all[0].Certificate.ID, all[1].Certificate.ID)
	}
}

func TestServicesTakeTheirPortFromTheImage(t *testing.T) {
	w := newWorld(t)
	exposed(t, w)
	own := w.ready(t, anna, "web04")
	spec := domain.ServiceSpec{Kind: domain.ServiceHTTP, Host: "www.example.org"}
	_, _, err := w.Containers.ChangeServices(t.Context(), anna, own.ID, "", app.ServicesChange{Add: []domain.ServiceSpec{spec}}, "")
	must(t, err)
	all, err := w.Containers.Services(t.Context(), anna, own.ID, "")
	must(t, err)
	if got := all[len(all)-1]; got.Host != "www.example.org" || got.Port != 80 {
		t.Errorf("the name leads to port %d, want the image's 80", got.Port)
	}
	_, _, err = w.Containers.Create(t.Context(), anna, app.ContainerInput{
		Name: "web03", Site: "demo", Spec: domain.Spec{Image: "debian:12"}, Services: []domain.ServiceSpec{{Kind: domain.ServiceUDP}},
	}, "")
	wantKind(t, err, domain.Invalid)
	if err == nil || !strings.Contains(err.Error(), "services[0].port must be given: the image exposes no udp port") {
		t.Errorf("got %v", err)
	}
}
