package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"berth/client"
	"berth/domain"
	"berth/lab/pve"
	"berth/templates/nginxtest"
)

// TestNoSecretIsFoundAnywhere plants a value in every secret there is, works through the life of containers with refusals
// that echo what they were sent, and then looks for the values wherever Berth writes: none may be found, while what is no
// secret must be, or the search would prove nothing.
func TestNoSecretIsFoundAnywhere(t *testing.T) {
	h := install(t)
	s := h.plant()
	places := h.places(s)
	for _, name := range slices.Sorted(maps.Keys(places)) {
		t.Run(name, func(t *testing.T) {
			text := places[name]
			for what, value := range s.secrets {
				if at := hides(text, value); at != "" {
					t.Errorf("%s is in it: %s", what, at)
				}
			}
			if control := s.controls[name]; !bytes.Contains(text, []byte(control)) || control == "" {
				t.Errorf("the search is no search: %q is not in these %d bytes", control, len(text))
			}
		})
	}
}

// story is what was planted.
type story struct {
	secrets    map[string]string // by what they are
	controls   map[string]string // place -> what is no secret and must be found there
	container  string            // ID of one that exists
	operations []string          // IDs
	output     bytes.Buffer      // of the command line
	refusals   bytes.Buffer      // problem documents
}

// refuse notes the answer to a request that has to fail.
func (h *installation) refuse(s *story, what string, err error) {
	h.t.Helper()
	var problem *client.Problem
	if !errors.As(err, &problem) {
		h.t.Fatalf("%s: %v, want a problem", what, err)
	}
	raw, err := json.Marshal(problem)
	h.must(err)
	s.refusals.Write(append(raw, '\n'))
}

// plant lives through the life of containers.
func (h *installation) plant() *story {
	t := h.t
	t.Helper()
	s := &story{secrets: map[string]string{
		"the environment at the creation": canary("create"), "the environment that failed": canary("failed"),
		"the environment of a change": canary("change"), "the secret of another node's token": canary("token"),
		"a token that is none": canary("bearer"), "the password of a registry": canary("registry"), "the secret of the lab's token": labToken,
		"the token of the administrator": h.admin.Reveal(), "the token of the edge": h.edge.Reveal(),
	}}
	user := h.token("user")
	s.secrets["the token of a user"] = user.Reveal()
	h.addKeys(s)
	c := h.as(user)
	stay := h.create(s, c, "canary-stays", s.secrets["the environment at the creation"])
	s.container = stay
	h.change(s, c)
	h.fail(s, c)
	h.logIn(s, c)
	gone := h.create(s, c, "canary-goes", s.secrets["the environment at the creation"])
	deleted, err := c.DeleteContainerWithResponse(t.Context(), gone, nil)
	h.must(err)
	h.wantEnd(s, c, deleted.JSON202.ID, client.OperationStateSucceeded)

	secret := "berth@pve!berth=" + s.secrets["the secret of another node's token"]
	address := "https://" + h.cfg.LabListen
	_, err = c.CreateNodeWithResponse(t.Context(), client.NodeCreate{Name: new("pve9"), URL: &address, Token: &secret, Insecure: new(true)})
	h.refuse(s, "a node with a wrong secret", err)
	_, err = h.as(domain.Secret(s.secrets["a token that is none"])).ListContainersWithResponse(t.Context(), nil)
	h.refuse(s, "a token that is none", err)
	h.commands(s, user)
	s.controls = map[string]string{
		"histories": "canary-stays", "log": "canary-stays", "log of Temporal": "ready", "answers": "canary-stays", "audit": "canary-stays",
		"refusals": "urn:berth:problem:", "command line": "canary-stays", "database": "canary-stays", "tasks of the node": "OK",
		"arguments": "berth-temporal", "metrics": "/api/v1/containers", "events": "Creates CT", "snapshot": "canary-stays",
		"traces":               "POST /api/v1/containers",
		"database of Temporal": "canary-stays",
	}
	return s
}

// addKeys adds the keys of the ring, in the form in which they are kept and as they are.
func (h *installation) addKeys(s *story) {
	h.t.Helper()
	raw, err := os.ReadFile(h.cfg.KeysFile)
	h.must(err)
	for i, key := range regexp.MustCompile(`"([A-Za-z0-9+/_-]{42,}=*)"`).FindAllSubmatch(raw, -1) {
		s.secrets[fmt.Sprintf("key %d of the ring", i)] = string(key[1])
		if plain, err := base64.StdEncoding.DecodeString(string(key[1])); err == nil {
			s.secrets[fmt.Sprintf("key %d of the ring, decoded", i)] = string(plain)
		}
	}
	if len(s.secrets) < 11 {
		h.t.Fatalf("no key was found in the key ring of %d bytes", len(raw))
	}
}

// create makes a container with a secret in its environment, twice with the same key, and returns its ID.
func (h *installation) create(s *story, c *client.Client, name, value string) string {
	h.t.Helper()
	body := client.ContainerCreate{
		Name: name, Image: h.cfg.LabRegistry + "/tiny:1", Env: &map[string]string{"PASSWORD": value},
		MemoryMiB: new(64), DiskGiB: new(1),
	}
	params := &client.CreateContainerParams{IdempotencyKey: new("key-of-" + name)}
	made, err := c.CreateContainerWithResponse(h.t.Context(), params, body)
	h.must(err)
	again, err := c.CreateContainerWithResponse(h.t.Context(), params, body)
	h.must(err)
	if again.JSON202.Container.ID != made.JSON202.Container.ID {
		h.t.Fatal("the same key made another container")
	}
	body.Env = &map[string]string{"PASSWORD": value, "OTHER": value}
	_, err = c.CreateContainerWithResponse(h.t.Context(), params, body)
	h.refuse(s, "the same key with another request", err)
	h.wantEnd(s, c, made.JSON202.Operation.ID, client.OperationStateSucceeded)
	return made.JSON202.Container.ID
}

// change sets another environment and switches the container; one change meets a refusal that echoes it.
func (h *installation) change(s *story, c *client.Client) {
	h.t.Helper()
	value := s.secrets["the environment of a change"]
	for name, want := range map[string]client.OperationState{"FIRST": client.OperationStateFailed, "SECOND": client.OperationStateSucceeded} {
		if want == client.OperationStateFailed {
			h.echo("lxc.configure", pve.EffectError, value)
		}
		env := map[string]*string{name: &value}
		changed, err := c.UpdateContainerWithResponse(h.t.Context(), s.container, nil, client.ContainerUpdate{Env: &env, Restart: new(true)})
		h.must(err)
		h.wantEnd(s, c, changed.JSON202.Operation.ID, want)
	}
	for _, action := range []client.PowerRequestAction{client.PowerRequestActionReboot, client.PowerRequestActionStop, client.PowerRequestActionStart} {
		switched, err := c.PowerContainerWithResponse(h.t.Context(), s.container, nil, client.PowerRequest{Action: action})
		h.must(err)
		h.wantEnd(s, c, switched.JSON202.ID, client.OperationStateSucceeded)
	}
}

// fail makes containers whose creation meets refusals, and tasks with logs, that echo what they were sent.
func (h *installation) fail(s *story, c *client.Client) {
	h.t.Helper()
	value := s.secrets["the environment that failed"]
	for i, f := range []struct {
		operation string
		effect    pve.Effect
	}{{"lxc.configure", pve.EffectError}, {"lxc.create", pve.EffectTaskFail}, {"lxc.start", pve.EffectTaskFail}} {
		h.echo(f.operation, f.effect, value)
		made, err := c.CreateContainerWithResponse(h.t.Context(), nil, client.ContainerCreate{
			Name: "canary-fails-" + strconv.Itoa(i), Image: h.cfg.LabRegistry + "/tiny:1", Env: &map[string]string{"PASSWORD": value},
			MemoryMiB: new(64), DiskGiB: new(1),
		})
		h.must(err)
		h.wantEnd(s, c, made.JSON202.Operation.ID, client.OperationStateFailed)
		h.lab.cluster.RemoveFault(0)
	}
}

// certify gives Berth a certificate for a name of the external domain, and publishes another name: no edge needs the key.
func (h *installation) certify(s *story, c *client.Client) {
	h.t.Helper()
	chain, key := nginxtest.Certificate(h.t, "app.canary.example")
	s.secrets["the key of a certificate"] = strings.Split(key, "\n")[1]
	_, err := c.UploadCertificateWithResponse(h.t.Context(), client.CertificateUpload{Chain: chain, Key: &key})
	h.must(err)
	s.secrets["the key that binds an ACME account"] = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktZWFiLWtleS1jYW5hcnk"
	account, err := c.CreateACMEAccountWithResponse(h.t.Context(), client.ACMEAccountCreate{
		Name: "canary", Directory: h.ca.Directory, Roots: &h.ca.Roots, TermsAgreed: true,
		EabKid: new("kid-1"), EabKey: new(s.secrets["the key that binds an ACME account"]),
	})
	h.must(err)
	kept, err := h.sys.store.ACMEAccount(h.t.Context(), account.JSON201.ID)
	h.must(err)
	s.secrets["the key of an ACME account"] = strings.Split(kept.Key.Reveal(), "\n")[1]
	_, other := nginxtest.Certificate(h.t, "app.canary.example")
	_, err = c.UploadCertificateWithResponse(h.t.Context(), client.CertificateUpload{Chain: key, Key: &other})
	h.refuse(s, "a key for a chain", err)
	published, err := c.ChangeServicesWithResponse(h.t.Context(), s.container, nil, client.ServicesChange{
		Add: &[]client.ServiceSpec{{Kind: client.ServiceKindHTTP, Host: new("www.canary.example"), Port: new(80)}},
	})
	h.must(err)
	h.wantEnd(s, c, published.JSON202.ID, client.OperationStateSucceeded)
}

// logIn gives Berth an external domain, and a login that its registry refuses, which Berth notices when somebody wants an image of it.
func (h *installation) logIn(s *story, c *client.Client) {
	h.t.Helper()
	made, err := c.CreateRegistryWithResponse(h.t.Context(), client.RegistryCreate{
		Host: h.private, Username: "robot", Password: new(s.secrets["the password of a registry"]),
	})
	h.must(err)
	_, err = c.CreateRegistryWithResponse(h.t.Context(), client.RegistryCreate{
		Host: h.private, Username: "robot", Password: new(s.secrets["the password of a registry"]),
	})
	h.refuse(s, "a second login for a registry", err)
	_, err = c.UpdateRegistryWithResponse(h.t.Context(), made.JSON201.ID, nil, client.RegistryUpdate{Username: new("canary")})
	h.must(err)
	_, err = c.CreateExternalDomainWithResponse(h.t.Context(), client.ExternalDomainCreate{Name: "canary.example"})
	h.must(err)
	h.certify(s, c)
	_, err = c.InspectImageWithResponse(h.t.Context(), &client.InspectImageParams{Reference: h.private + "/app:1"})
	h.refuse(s, "an image of a registry that refuses the login", err)
	failing, err := c.CreateContainerWithResponse(h.t.Context(), nil, client.ContainerCreate{
		Name: "canary-fails-private", Image: h.private + "/app:1", MemoryMiB: new(64), DiskGiB: new(1),
	})
	h.must(err)
	h.wantEnd(s, c, failing.JSON202.Operation.ID, client.OperationStateFailed)
}

// echo makes the node repeat a value when an operation is asked for next.
func (h *installation) echo(operation string, effect pve.Effect, value string) {
	h.t.Helper()
	text := "unable to do this with env 'PASSWORD=" + value + "' and " + url.QueryEscape(value)
	_, err := h.lab.cluster.AddFault(pve.Fault{Operation: operation, Effect: effect, Text: text, Count: 1})
	h.must(err)
}

func (h *installation) wantEnd(s *story, c *client.Client, id string, want client.OperationState) {
	h.t.Helper()
	s.operations = append(s.operations, id)
	if o := h.ended(c, id); o.State != want {
		h.t.Fatalf("operation %s of %s ended as %s, want %s: %v", o.Kind, o.ResourceName, o.State, want, value(o.Message))
	}
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// commands runs the command line: help and lists, as JSON and as tables.
func (h *installation) commands(s *story, token domain.Secret) {
	h.t.Helper()
	h.t.Setenv("BERTH_URL", h.url)
	h.t.Setenv("BERTH_TOKEN", token.Reveal())
	// A secret that the environment brings must not be printed as somebody's default.
	h.t.Setenv("BERTH_EDGE_TOKEN", h.edge.Reveal())
	for _, line := range []string{
		"--help", "standalone --help", "edge run --help", "config", "container list -o json", "container get canary-stays -o yaml",
		"container get canary-stays", "token list -o json", "edge list", "node list -o json", "cluster list -o json", "registry list -o json", "audit list",
		"operation list -o json", "operation get " + s.operations[0], "container get no-such -o json",
	} {
		root := rootCommand()
		root.SetOut(&s.output)
		root.SetErr(&s.output)
		root.SetArgs(strings.Fields(line))
		if err := root.ExecuteContext(h.t.Context()); err != nil {
			fmt.Fprintln(&s.output, "berth:", err)
		}
	}
}

// hides looks for a value as it is and in the forms in which it is often carried, and returns what surrounds it.
func hides(text []byte, value string) string {
	forms := []string{value, url.QueryEscape(value), hex.EncodeToString([]byte(value))}
	for shift := range 3 { // base64 of it, at any place in a longer text
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + value))
		forms = append(forms, encoded[4*((shift+2)/3):len(encoded)-3])
	}
	for _, form := range forms {
		if at := bytes.Index(text, []byte(form)); at >= 0 {
			return fmt.Sprintf("%q", text[max(0, at-80):min(len(text), at+len(form)+40)])
		}
	}
	return ""
}

// TestHidesFinds is the other half of the control: every form is found.
func TestHidesFinds(t *testing.T) {
	const value = "a secret/value"
	for _, text := range []string{
		value, "x=" + url.QueryEscape(value), hex.EncodeToString([]byte("_" + value)), base64.StdEncoding.EncodeToString([]byte(value)),
		base64.StdEncoding.EncodeToString([]byte("u:" + value + ";")), base64.StdEncoding.EncodeToString([]byte("." + value)),
	} {
		if hides([]byte("before "+text+" after"), value) == "" {
			t.Errorf("it is not found in %q", text)
		}
	}
	if hides([]byte("before a secret after"), value) != "" {
		t.Error("it is found where it is not")
	}
}
