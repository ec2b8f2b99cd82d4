package main

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"

	"berth/deploy/berth-temporal/internal/settings"
)

// serveUI serves Temporal's web UI from files embedded in the binary and returns once it answers.
func serveUI(ctx context.Context, s settings.Settings) (*uiserver.Server, error) {
	address, err := netip.ParseAddrPort(s.UI)
	if err != nil {
		return nil, fmt.Errorf("--ui: %w", err)
	}
	frontend, err := netip.ParseAddrPort(s.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	host := address.Addr().String()
	if address.Addr().Is6() {
		host = "[" + host + "]" // the server joins host and port by a colon
	}
	cfg := &uiconfig.Config{
		TemporalGRPCAddress: localAddress(frontend),
		Host:                host,
		Port:                int(address.Port()),
		PublicPath:          s.UIPath,
		EnableUI:            true,
		DefaultNamespace:    s.Namespace,
		DisableNewsFetch:    true, // nothing here calls out to the internet
		HideLogs:            true,
		// The UI speaks plain HTTP on loopback; a cookie marked Secure would not come back.
		CORS: uiconfig.CORS{CookieInsecure: true},
		// The codec endpoint knows the administrator by the cookie of the login in front of it.
		Codec: uiconfig.Codec{Endpoint: s.CodecEndpoint, IncludeCredentials: s.CodecEndpoint != ""},
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure the UI: %w", err)
	}
	server := uiserver.NewServer(server_options.WithConfigProvider(cfg))
	go func() { _ = server.Start() }() // ends the process by itself when it cannot serve
	health := "http://" + localAddress(address) + s.UIPath + "/healthz"
	err = poll(ctx, func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, health, http.NoBody)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", health, response.Status)
		}
		return nil
	})
	if err != nil {
		server.Stop()
		return nil, fmt.Errorf("start the UI: %w", err)
	}
	return server, nil
}
