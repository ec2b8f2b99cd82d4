//go:build e2e

// Package e2e runs the whole system as its users do: the real binaries as processes, real guests, the real dnsmasq.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// platform is a berth standalone with a lab of its own, beside whatever else runs on the machine.
type platform struct {
	t       *testing.T
	binary  string
	env     []string
	api     string
	lab     string
	images  string // address of the registry
	dns     string
	data    string
	process *exec.Cmd
	ended   chan struct{}
	log     *os.File
}

// readyWithin is generous: the first start builds the Debian image.
const readyWithin = 5 * time.Minute

func start(t *testing.T) *platform {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	network := fmt.Sprintf("198.19.%d", os.Getpid()%250)
	p := &platform{
		t: t, binary: filepath.Join(root, "bin", "berth"), data: t.TempDir(),
		api: address(t), lab: address(t), images: address(t), dns: network + ".1:53",
	}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "BERTH_") && !strings.HasPrefix(kv, "TEMPORAL_") {
			p.env = append(p.env, kv)
		}
	}
	p.env = append(p.env,
		"BERTH_DATA="+p.data, "BERTH_LISTEN="+p.api, "BERTH_TEMPORAL_LISTEN="+address(t), "BERTH_TEMPORAL_UI="+address(t),
		"BERTH_LAB_LISTEN="+p.lab, "BERTH_LAB_REGISTRY="+p.images, "BERTH_LAB_NETWORK="+network+".0/24",
		fmt.Sprintf("BERTH_LAB_NAMESPACE=berth-e2e-%d", os.Getpid()), "BERTH_LAB_CACHE="+filepath.Join(root, ".cache", "lab-images"),
		"BERTH_DEADLINE_SCALE=0.2", "BERTH_RECONCILE_INTERVAL=3s", "BERTH_OBSERVE_INTERVAL=1s", "BERTH_LAB_LAG=0s", "BERTH_URL=http://"+p.api,
	)
	t.Cleanup(func() {
		p.signal(os.Interrupt)
		if t.Failed() {
			said, _ := os.ReadFile(p.log.Name())
			t.Logf("what the platform said:\n%s", said[max(0, len(said)-20000):])
		}
	})
	p.run()
	return p
}

// run starts the process and waits until a container could be created.
func (p *platform) run() {
	p.t.Helper()
	log, err := os.CreateTemp(p.t.TempDir(), "platform-*.log")
	if err != nil {
		p.t.Fatal(err)
	}
	p.log = log
	p.process = exec.Command(p.binary, "standalone", "--lab")
	p.process.Env, p.process.Stdout, p.process.Stderr = p.env, log, log
	if err := p.process.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.ended = make(chan struct{})
	go func(c *exec.Cmd, ended chan<- struct{}) {
		_ = c.Wait() // a killed process has no good exit status
		close(ended)
	}(p.process, p.ended)
	p.until(readyWithin, "the platform is ready", func() error {
		select {
		case <-p.ended:
			p.t.Fatal("the platform ended by itself")
		default:
		}
		if token, err := os.ReadFile(filepath.Join(p.data, "admin.token")); err != nil {
			return err
		} else if len(p.env) > 0 && !strings.HasPrefix(p.env[len(p.env)-1], "BERTH_TOKEN=") {
			p.env = append(p.env, "BERTH_TOKEN="+strings.TrimSpace(string(token)))
		}
		res, err := http.Get("http://" + p.api + "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			why, _ := io.ReadAll(res.Body)
			return fmt.Errorf("readyz: %s %s", res.Status, why)
		}
		return nil
	})
}

// signal ends the process and waits for it.
func (p *platform) signal(s os.Signal) {
	if p.process == nil {
		return
	}
	_ = p.process.Process.Signal(s)
	<-p.ended
	p.process = nil
}

// kill ends the process without a chance to tidy up.
func (p *platform) kill() { p.signal(syscall.SIGKILL) }

// cli runs a client command and returns what it prints; it fails the test when the command fails.
func (p *platform) cli(args ...string) string {
	p.t.Helper()
	out, err := p.try(args...)
	if err != nil {
		p.t.Fatalf("berth %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// try runs a client command.
func (p *platform) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.binary, args...)
	cmd.Env = p.env
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, said.String())
	}
	return string(out), err
}

// container is what the tests look at of a container.
type container struct {
	State, Power, Address, MAC, FQDN, Message string
	VMID, MemoryMiB, Cores, DiskGiB           int
	Node                                      struct{ Name string }
}

func (p *platform) container(name string) container {
	p.t.Helper()
	var c container
	if err := json.Unmarshal([]byte(p.cli("container", "get", name, "-o", "json")), &c); err != nil {
		p.t.Fatal(err)
	}
	return c
}

// until waits for a condition.
func (p *platform) until(limit time.Duration, what string, check func() error) {
	p.t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("not within %s: %s: %v", limit, what, err)
		}
		<-tick.C
	}
}

// page fetches the page of a guest.
func page(addr string) (string, error) {
	client := http.Client{Timeout: 2 * time.Second}
	res, err := client.Get("http://" + addr + "/")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// lookup asks the site's dnsmasq for the addresses of a name.
func (p *platform) lookup(name string) []string {
	p.t.Helper()
	question := new(dns.Msg)
	question.SetQuestion(dns.Fqdn(name), dns.TypeA)
	answer, err := dns.Exchange(question, p.dns)
	if err != nil {
		p.t.Fatalf("ask dnsmasq for %s: %v", name, err)
	}
	var found []string
	for _, rr := range answer.Answer {
		if a, ok := rr.(*dns.A); ok {
			found = append(found, a.A.String())
		}
	}
	return found
}

// address returns a free address on loopback.
func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
