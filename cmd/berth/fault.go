package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"berth/domain"
)

// labFaultCommand makes calls of the lab's Proxmox VE API misbehave. The lab listens on loopback only, and needs no login
// for it.
func labFaultCommand() *cobra.Command {
	c := noun("fault", "Make calls of the lab's Proxmox VE API misbehave on purpose")
	c.PersistentFlags().String("lab", "127.0.0.1:8006", "address of the lab's Proxmox VE API")
	c.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the faults that are set", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return labControl(cmd, http.MethodGet, "faults", "") },
		},
		&cobra.Command{
			Use: "add JSON", Short: `Set a fault, such as '{"operation":"lxc.create","effect":"task-fail","text":"out of luck","count":1}'`,
			Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return labControl(cmd, http.MethodPost, "faults", args[0])
			},
		},
		&cobra.Command{
			Use: "clear [ID]", Short: "Take one fault or all of them off", Args: cobra.MaximumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return labControl(cmd, http.MethodDelete, strings.TrimSuffix("faults/"+strings.Join(args, ""), "/"), "")
			},
		},
		&cobra.Command{
			Use: "node NAME online|offline", Short: "Cut a node off, or bring it back", Args: cobra.ExactArgs(2),
			RunE: func(cmd *cobra.Command, args []string) error {
				return labControl(cmd, http.MethodPut, "nodes/"+args[0], fmt.Sprintf(`{"online":%t}`, args[1] == "online"))
			},
		},
	)
	return c
}

func labControl(cmd *cobra.Command, method, path, body string) error {
	address, err := cmd.Flags().GetString("lab")
	if err != nil {
		return err
	}
	answer, err := askLab(cmd.Context(), method, "https://"+address+"/berth-lab/"+path, body)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSpace(answer))
	return err
}

func askLab(ctx context.Context, method, url, body string) (string, error) {
	if body != "" && !json.Valid([]byte(body)) {
		return "", usageError{fmt.Errorf("%s is not JSON", body)}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	// The lab signs its own certificate, and is on this machine.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // loopback only
	res, err := client.Do(req)
	if err != nil {
		return "", domain.Errorf(domain.Unavailable, "the lab does not answer: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode >= http.StatusBadRequest {
		err = domain.Errorf(domain.Invalid, "the lab refuses it: %s %s", res.Status, strings.TrimSpace(string(text)))
	}
	return string(text), err
}
