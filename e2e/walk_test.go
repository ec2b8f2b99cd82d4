//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestWalk does what a newcomer does, with both images, and then breaks things.
func TestWalk(t *testing.T) {
	p := start(t)
	t.Run("tiny image", func(t *testing.T) { p.within(t, p.tiny) })
	t.Run("debian image", func(t *testing.T) { p.within(t, p.debian) })
	t.Run("import", func(t *testing.T) { p.within(t, p.adopt) })
	t.Run("faults", func(t *testing.T) { p.within(t, p.faults) })
	t.Run("drift", func(t *testing.T) { p.within(t, p.drift) })
	t.Run("fifty at once, and killed on the way", func(t *testing.T) { p.within(t, p.fifty) })
}

// within runs a part with its own t.
func (p *platform) within(t *testing.T, part func()) {
	outer := p.t
	p.t = t
	defer func() { p.t = outer }()
	part()
}

func (p *platform) tiny() {
	p.cli("container", "create", "web01", "--image", p.images+"/tiny:1", "--wait")
	if err := p.asItShould("web01"); err != nil {
		p.t.Fatal(err)
	}
	c := p.container("web01")
	if text, err := page(c.Address); err != nil || !strings.Contains(text, "web01") {
		p.t.Errorf("page of web01: %q, %v", text, err)
	}
	for _, step := range []struct{ action, power string }{{"stop", "stopped"}, {"start", "running"}, {"reboot", "running"}, {"shutdown", "stopped"}, {"start", "running"}} {
		p.cli("container", step.action, "web01", "--wait")
		if now := p.container("web01"); now.Power != step.power || now.State != "ready" {
			p.t.Errorf("after %s it is %s and %s", step.action, now.State, now.Power)
		}
	}
	p.cli("container", "update", "web01", "--memory", "256", "--disk", "6", "--cores", "2", "--wait")
	p.cli("container", "update", "web01", "--env", "GREETING=moin", "--restart", "--wait")
	p.cli("container", "update", "web01", "--name", "web02", "--wait")
	if now := p.container("web02"); now.MemoryMiB != 256 || now.DiskGiB != 6 || now.Cores != 2 {
		p.t.Errorf("after the updates it has %+v", now)
	}
	if err := p.asItShould("web02"); err != nil {
		p.t.Error(err)
	}
	if old := p.lookup("web01.demo.internal"); len(old) > 0 {
		p.t.Errorf("the old name still answers %v", old)
	}
	c = p.container("web02")
	p.cli("container", "delete", "web02", "--yes", "--wait")
	p.until(10*time.Second, "nothing is left", func() error { return p.nothingLeft("web02", c) })
}

func (p *platform) debian() {
	p.cli("container", "create", "deb01", "--image", p.images+"/debian:12", "--wait")
	if err := p.asItShould("deb01"); err != nil {
		p.t.Fatal(err)
	}
	c := p.container("deb01")
	// The address was another guest's a moment ago, and this host believes in the former MAC for up to 45 s.
	p.until(time.Minute, "sshd answers", func() error {
		conn, err := net.DialTimeout("tcp", c.Address+":22", time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		hello := make([]byte, 7)
		if _, err := io.ReadFull(conn, hello); err != nil {
			return err
		}
		if string(hello) != "SSH-2.0" {
			return fmt.Errorf("port 22 says %q", hello)
		}
		return nil
	})
	p.cli("container", "reboot", "deb01", "--wait")
	p.cli("container", "delete", "deb01", "--yes", "--wait")
	p.until(10*time.Second, "nothing is left", func() error { return p.nothingLeft("deb01", c) })
}

// adopt imports a CT that somebody made by hand.
func (p *platform) adopt() {
	var images struct{ Data []struct{ VolID string } }
	for _, node := range []string{"pve1", "pve2"} {
		if err := p.proxmox(http.MethodGet, "/api2/json/nodes/"+node+"/storage/local/content?content=vztmpl", "", &images); err != nil {
			p.t.Fatal(err)
		}
		for _, i := range images.Data {
			if strings.Contains(i.VolID, "tiny") {
				p.byHand(node, i.VolID)
				return
			}
		}
	}
	p.t.Fatal("no node has the tiny image")
}

func (p *platform) byHand(node, image string) {
	form := "vmid=500&hostname=byhand&memory=128&swap=0&rootfs=local:4&unprivileged=1&ostemplate=" + image +
		"&net0=name=eth0,bridge=vmbr0,ip=dhcp,host-managed=1"
	if err := p.proxmox(http.MethodPost, "/api2/json/nodes/"+node+"/lxc", form, nil); err != nil {
		p.t.Fatal(err)
	}
	p.until(20*time.Second, "the CT is there", func() error {
		var config struct{ Data struct{ Lock, Rootfs string } }
		err := p.proxmox(http.MethodGet, "/api2/json/nodes/"+node+"/lxc/500/config", "", &config)
		if err == nil && (config.Data.Lock != "" || config.Data.Rootfs == "") {
			err = fmt.Errorf("still locked: %q", config.Data.Lock)
		}
		return err
	})
	p.cli("container", "import", "--node", node, "--vmid", "500", "--wait")
	if c := p.container("byhand"); c.State != "ready" || c.VMID != 500 {
		p.t.Errorf("imported: %+v", c)
	}
	c := p.container("byhand")
	p.cli("container", "delete", "byhand", "--yes", "--wait")
	p.until(10*time.Second, "nothing is left", func() error { return p.nothingLeft("byhand", c) })
}

// cell is one fault at one step of a provision, and how it has to end.
type cell struct {
	name  string
	fault string // rule of the lab
	ready bool   // the provision ends ready; otherwise failed, with nothing left
}

func cells() []cell {
	var all []cell
	for _, step := range []struct{ name, operation string }{
		{"pull", "POST /nodes/*/storage/*/oci-registry-pull"},
		{"create", "POST /nodes/*/lxc"},
		{"start", "POST /nodes/*/lxc/*/status/start"},
	} {
		rule := func(effect string) string { return fmt.Sprintf(`{"operation":%q,%s}`, step.operation, effect) }
		all = append(all,
			cell{step.name + ": error for good", rule(`"effect":"error","status":403,"text":"Permission check failed (/, Test)"`), false},
			cell{step.name + ": error that heals", rule(`"effect":"error","status":500,"text":"got no worker upid - start worker failed","count":1`), true},
			cell{step.name + ": answer lost after the effect", rule(`"effect":"drop-after","count":1`), true},
			cell{step.name + ": connection lost before the effect", rule(`"effect":"drop-before","count":1`), true},
			cell{step.name + ": task warns", rule(`"effect":"task-warn","text":"odd but fine","count":1`), true},
		)
	}
	return all
}

func (p *platform) faults() {
	for i, c := range cells() {
		p.t.Run(c.name, func(t *testing.T) {
			p.within(t, func() { p.cell(fmt.Sprintf("cell%d", i), c) })
		})
	}
}

func (p *platform) cell(name string, c cell) {
	image := p.images + "/tiny:2"
	if strings.HasPrefix(c.name, "pull") {
		p.forgetImages()
	}
	end := p.fault(c.fault)
	_, err := p.try("container", "create", name, "--image", image, "--wait")
	end()
	if c.ready != (err == nil) {
		p.t.Fatalf("it ended with %v", err)
	}
	if c.ready {
		if err := p.asItShould(name); err != nil {
			p.t.Error(err)
		}
	}
	was := p.container(name)
	if !c.ready && was.State != "failed" {
		p.t.Errorf("it is %s: %s", was.State, was.Message)
	}
	if !c.ready {
		p.until(10*time.Second, "everything is undone", func() error { return p.nothingLeft(name, was) })
	}
	p.cli("container", "delete", name, "--yes", "--wait")
	p.until(10*time.Second, "nothing is left", func() error { return p.nothingLeft(name, was) })
}

// forgetImages removes the images from the nodes, so that the next container has to pull.
func (p *platform) forgetImages() {
	for _, node := range []string{"pve1", "pve2"} {
		var images struct{ Data []struct{ VolID string } }
		path := "/api2/json/nodes/" + node + "/storage/local/content"
		if err := p.proxmox(http.MethodGet, path+"?content=vztmpl", "", &images); err != nil {
			p.t.Fatal(err)
		}
		for _, i := range images.Data {
			if err := p.proxmox(http.MethodDelete, path+"/"+i.VolID, "", nil); err != nil {
				p.t.Fatal(err)
			}
		}
		p.until(10*time.Second, "the images are gone", func() error {
			var left struct{ Data []struct{ VolID string } }
			err := p.proxmox(http.MethodGet, path+"?content=vztmpl", "", &left)
			if err == nil && len(left.Data) > 0 {
				err = fmt.Errorf("%v", left.Data)
			}
			return err
		})
	}
}

// drift changes things behind Berth's back, and waits for the reconciler.
func (p *platform) drift() {
	for _, name := range []string{"stopped", "gone", "lost"} {
		p.cli("container", "create", name, "--image", p.images+"/tiny:1", "--wait")
	}
	stopped, gone, lost := p.container("stopped"), p.container("gone"), p.container("lost")
	ct := func(c container) string { return fmt.Sprintf("/api2/json/nodes/%s/lxc/%d", c.Node.Name, c.VMID) }
	if err := p.proxmox(http.MethodPost, ct(stopped)+"/status/stop", "", nil); err != nil {
		p.t.Fatal(err)
	}
	if err := p.proxmox(http.MethodDelete, ct(gone)+"?force=1", "", nil); err != nil {
		p.t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(p.data, "edge", "dnsmasq", "hosts")); err != nil {
		p.t.Fatal(err)
	}
	p.until(30*time.Second, "what stopped runs again", func() error { return p.asItShould("stopped") })
	p.until(30*time.Second, "what vanished is marked", func() error {
		if c := p.container("gone"); c.State != "missing" {
			return fmt.Errorf("it is %s", c.State)
		}
		return nil
	})
	p.until(30*time.Second, "lost files are back", func() error {
		if found := p.lookup("lost.demo.internal"); len(found) != 1 || found[0] != lost.Address {
			return fmt.Errorf("DNS answers %v", found)
		}
		return nil
	})
	for _, name := range []string{"stopped", "gone", "lost"} {
		p.cli("container", "delete", name, "--yes", "--wait")
	}
}

// fifty requests many containers together and kills every role of Berth on the way.
func (p *platform) fifty() {
	const many = 50
	var wg sync.WaitGroup
	errs := make(chan error, many)
	for i := range many {
		wg.Go(func() {
			if _, err := p.try("container", "create", fmt.Sprintf("c%02d", i), "--image", p.images+"/tiny:1"); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		p.t.Error(err)
	}
	p.kill()
	p.run()
	addresses := map[string]bool{}
	for i := range many {
		name := fmt.Sprintf("c%02d", i)
		p.until(3*time.Minute, name+" is ready", func() error { return p.asItShould(name) })
		addresses[p.container(name).Address] = true
	}
	if len(addresses) != many {
		p.t.Errorf("%d containers share %d addresses", many, len(addresses))
	}
}
