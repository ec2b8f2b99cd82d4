package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"berth/config"
	"berth/domain"
	"berth/lab/ca"
	"berth/lab/cloudflare"
	"berth/lab/guest"
	"berth/lab/images"
	"berth/lab/nameserver"
	"berth/lab/network"
	"berth/lab/pve"
	"berth/lab/registry"
	"berth/process"
)

// The credentials of the lab's Proxmox VE. They are no secret: the lab serves loopback only.
const (
	labTokenID  = "berth@pve!berth"
	labToken    = "00000000-0000-4000-8000-00000000be47"
	labPassword = "berth-lab"
)

func labCommand() *cobra.Command {
	c := role("lab", "Serve a simulated Proxmox VE cluster with real guests", func(ctx context.Context, cfg config.Config, logger *slog.Logger) error {
		l, err := startLab(ctx, cfg, logger)
		if err != nil {
			return err
		}
		fmt.Printf("Proxmox VE API  https://%s  token %s=%s\n", cfg.LabListen, labTokenID, labToken)
		<-ctx.Done()
		return l.stop(context.WithoutCancel(ctx))
	})
	c.AddCommand(labFaultCommand())
	return c
}

// lab is the running lab.
type lab struct {
	cfg      config.Config
	logger   *slog.Logger
	network  *network.Network // nil with simulated guests
	registry *registry.Registry
	runtime  guest.Runtime
	cluster  *pve.Cluster
	dns      *nameserver.Server // nil without a network, as authority
	cloud    *cloudflare.Server
	ca       *ca.CA
	cert     []byte // PEM of the certificate of the lab's APIs
	images   []images.Image
	reason   string // which guests run, and why
}

// startLab starts network, registry, guests and API of the lab.
func startLab(ctx context.Context, cfg config.Config, logger *slog.Logger) (_ *lab, err error) {
	l := &lab{cfg: cfg, logger: logger}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.stop(context.WithoutCancel(ctx)))
		}
	}()
	for _, address := range labPorts(cfg) {
		if err := process.CheckPort(address); err != nil {
			return nil, err
		}
	}
	if err := l.startGuests(ctx); err != nil {
		return nil, err
	}
	if err := l.startRegistry(ctx); err != nil {
		return nil, err
	}
	if err := l.startCluster(); err != nil {
		return nil, err
	}
	return l, l.startCA(ctx)
}

// labValidity is how long the lab's certificates are valid, as Let's Encrypt's are.
const labValidity = 90 * 24 * time.Hour

// startCA starts public DNS, in which the lab's zones lead to the edge, and a certificate authority that believes it. Simulated guests
// have no edge, so there is nothing to certify.
func (l *lab) startCA(ctx context.Context) (err error) {
	if l.network == nil {
		return nil
	}
	l.dns, err = nameserver.Start(context.WithoutCancel(ctx), nameserver.Config{
		Dir: filepath.Join(l.cfg.Data, "lab", "dns"), Listen: l.cfg.LabDNS, Zones: []string{demoPublic, cloudPublic}, Address: l.network.Gateway().Addr(), Log: l.logger,
	})
	if err != nil {
		return err
	}
	l.cloud, err = cloudflare.Start(cloudflare.Config{
		Listen: l.cfg.LabCloud, Zone: cloudPublic, Nameservers: []string{"ns." + cloudPublic},
		Apply: func(remove, add []cloudflare.Record) error {
			return l.dns.Update(context.WithoutCancel(ctx), cloudPublic, cloudflare.Lines(remove), cloudflare.Lines(add))
		},
	})
	if err != nil {
		return err
	}
	management, err := process.FreeAddresses(1)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	l.ca, err = ca.Start(context.WithoutCancel(ctx), ca.Config{
		Binary: filepath.Join(filepath.Dir(self), "pebble"), Dir: filepath.Join(l.cfg.Data, "lab", "ca"), Listen: l.cfg.LabCA,
		Management: management[0], Certificate: l.certificateFile(), DNS: l.cfg.LabDNS, Validity: labValidity, Roots: labRoots(l.cfg), Log: l.logger,
	})
	return err
}

// labRoots is the file with the roots of the lab's certificate authority.
func labRoots(cfg config.Config) string { return filepath.Join(cfg.Data, "lab", "roots.pem") }

func (l *lab) certificateFile() string { return filepath.Join(l.cfg.Data, "lab", "pve.pem") }

// startGuests makes the network and the runtime for guests: real ones where the machine allows.
func (l *lab) startGuests(ctx context.Context) error {
	found := guest.Detection{Kind: "simulated", Reason: "guests are simulated, as lab_guests asks for"}
	if l.cfg.LabGuests != "simulated" {
		found = guest.Detect(ctx)
	}
	l.reason = found.Reason
	if found.Kind != "lxc" {
		if l.cfg.LabGuests == "lxc" {
			return domain.Errorf(domain.Unavailable, "the lab cannot run real guests: %s", found.Reason)
		}
		l.runtime = guest.NewSimulated(guest.SimulatedConfig{})
		return nil
	}
	prefix, err := netip.ParsePrefix(l.cfg.LabNetwork)
	if err != nil {
		return domain.Errorf(domain.Invalid, "lab_network must be a network such as 198.18.0.0/24: %w", err)
	}
	l.network, err = network.New(network.Config{Name: l.cfg.LabNamespace, Gateway: netip.PrefixFrom(prefix.Masked().Addr().Next(), prefix.Bits())})
	if err != nil {
		return err
	}
	if err := l.network.Up(ctx); err != nil {
		return err
	}
	l.runtime, err = guest.NewLXC(guest.LXCConfig{Name: l.cfg.LabNamespace, Namespace: l.network.Path(), Log: l.logger}) //nolint:contextcheck // guests live longer than the call
	return err
}

func (l *lab) startRegistry(ctx context.Context) (err error) {
	l.registry, err = registry.Start(registry.Config{Dir: filepath.Join(l.cfg.Data, "lab", "registry"), Listen: l.cfg.LabRegistry})
	if err != nil {
		return err
	}
	for _, i := range images.List() {
		if !i.NeedsRoot || os.Geteuid() == 0 {
			l.images = append(l.images, i)
		}
	}
	say := func(format string, args ...any) { l.logger.Info("lab image", "line", fmt.Sprintf(format, args...)) }
	if err := images.BuildOnly(ctx, l.cfg.LabCache, l.images, say); err != nil {
		return err
	}
	return images.PushOnly(ctx, l.cfg.LabCache, l.registry.Address(), l.images, say)
}

// Sizes of the lab's nodes. They are promises, not reservations: guests share the machine.
const (
	labMemory = 64 << 30
	labDisk   = 1 << 40
	labCPUs   = 32
)

func (l *lab) startCluster() error {
	certificate, err := l.certificate()
	if err != nil {
		return err
	}
	timings := pve.RealTimings()
	timings.ResourcesLag, timings.AuthDelay = l.cfg.LabLag, l.cfg.LabLag
	conf := pve.Config{
		Name: "lab", RootPassword: labPassword, DataDir: filepath.Join(l.cfg.Data, "lab", "pve"), Runtime: l.runtime,
		Puller: registry.Skopeo{}, Timings: timings, Log: l.logger,
		Tokens: []pve.Token{{ID: labTokenID, Secret: labToken, Grants: []pve.Grant{{Path: "/", Role: "Administrator"}}}},
	}
	first := netip.MustParsePrefix(l.cfg.LabNetwork).Masked()
	address := first.Addr().Next()
	for _, name := range l.cfg.LabNodes {
		address = address.Next()
		conf.Nodes = append(conf.Nodes, pve.Node{
			Name: name, Address: netip.PrefixFrom(address, first.Bits()).String(), Bridges: []string{"vmbr0"},
			MemoryBytes: labMemory, CPUs: labCPUs, DiskBytes: labDisk,
			Storages: []pve.Storage{{Name: "local", Content: []string{"vztmpl", "iso", "rootdir"}}},
		})
	}
	if l.cluster, err = pve.New(conf); err != nil {
		return err
	}
	for i, address := range labAddresses(l.cfg) {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("lab's Proxmox VE API: %w", err)
		}
		go func() {
			err := l.cluster.ServeAt(l.cfg.LabNodes[i], listener,
				&tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
			if err != nil && !errors.Is(err, net.ErrClosed) {
				l.logger.Error("lab's Proxmox VE API ended", "error", err)
			}
		}()
	}
	return nil
}

// labAddresses are where the nodes of the lab serve the Proxmox VE API: the first on lab_listen, the others on the same port of
// the loopback addresses after it, since real nodes have addresses of their own, too. Without IPv4 the first node alone serves.
func labAddresses(cfg config.Config) []string {
	addresses := []string{cfg.LabListen}
	next, err := netip.ParseAddrPort(cfg.LabListen)
	if err != nil || !next.Addr().Is4() {
		return addresses
	}
	for range len(cfg.LabNodes) - 1 {
		next = netip.AddrPortFrom(next.Addr().Next(), next.Port())
		addresses = append(addresses, next.String())
	}
	return addresses
}

// labPorts is all that the lab listens on.
func labPorts(cfg config.Config) []string {
	return append(labAddresses(cfg), cfg.LabRegistry, cfg.LabCA, cfg.LabDNS, cfg.LabCloud)
}

// certificate returns the API's self-signed certificate, made at the first start.
func (l *lab) certificate() (tls.Certificate, error) {
	path := l.certificateFile()
	both, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if both, err = selfSigned(labAddresses(l.cfg)); err == nil {
			err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, both, 0o600))
		}
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate of the lab: %w", err)
	}
	block, _ := pem.Decode(both)
	l.cert = pem.EncodeToMemory(block)
	return tls.X509KeyPair(both, both)
}

func selfSigned(addresses []string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Berth's lab"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	for _, address := range addresses {
		if at, err := netip.ParseAddrPort(address); err == nil {
			template.IPAddresses = append(template.IPAddresses, at.Addr().AsSlice())
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}

// stop stops guests, API, registry and network, in this order.
func (l *lab) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
	if l.ca != nil {
		l.ca.Stop()
	}
	if l.cloud != nil {
		errs = append(errs, l.cloud.Stop())
	}
	if l.dns != nil {
		l.dns.Stop()
	}
	if l.cluster != nil {
		errs = append(errs, l.cluster.Close(ctx))
	}
	if l.runtime != nil {
		errs = append(errs, l.runtime.Close(ctx))
	}
	if l.registry != nil {
		errs = append(errs, l.registry.Close(ctx))
	}
	if l.network != nil {
		errs = append(errs, l.network.Down(ctx))
	}
	return errors.Join(errs...)
}
