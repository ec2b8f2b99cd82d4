package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"berth/client"
)

// sizes are the flags for what a container may use.
type sizes struct {
	cores              int
	memory, swap, disk string
}

func (z *sizes) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&z.cores, "cores", 0, "CPU cores")
	cmd.Flags().StringVar(&z.memory, "memory", "", "memory in MiB, or with a unit such as 2G")
	cmd.Flags().StringVar(&z.swap, "swap", "", "swap in MiB, or with a unit such as 1G")
	cmd.Flags().StringVar(&z.disk, "disk", "", "root file system in GiB, or with a unit such as 1T")
}

// numbers returns the sizes that were given.
func (z *sizes) numbers(cmd *cobra.Command) (cores, memory, swap, disk *int, err error) {
	cores = given(cmd, "cores", z.cores)
	for _, f := range []struct {
		name, text string
		unit       string // what a number alone counts
		to         **int
	}{{"memory", z.memory, "M", &memory}, {"swap", z.swap, "M", &swap}, {"disk", z.disk, "G", &disk}} {
		if !cmd.Flags().Changed(f.name) {
			continue
		}
		n, err := parseSize(f.text, f.unit)
		if err != nil {
			return nil, nil, nil, nil, usageError{fmt.Errorf("--%s: %w", f.name, err)}
		}
		*f.to = &n
	}
	return cores, memory, swap, disk, nil
}

// parseSize reads "512", "512M" or "2GiB" as a number of unit, which is "M" or "G".
func parseSize(text, unit string) (int, error) {
	const units = "MGT"
	plain := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text), "B"), "I")
	power := strings.Index(units, unit)
	if plain != "" {
		if at := strings.IndexByte(units, plain[len(plain)-1]); at >= 0 {
			power, plain = at, plain[:len(plain)-1]
		}
	}
	n, err := strconv.Atoi(plain)
	if err != nil || n < 0 || n > 1<<30 {
		return 0, fmt.Errorf("%q is not a size such as 512, 512M or 2G", text)
	}
	for base := strings.Index(units, unit); power > base; power-- {
		n *= 1024
	}
	if power < strings.Index(units, unit) {
		if n%1024 != 0 {
			return 0, fmt.Errorf("%q is not a whole number of %siB", text, unit)
		}
		n /= 1024
	}
	return n, nil
}

// environment collects --env and --env-file; the flags win. A key without a value takes it from the command's own environment.
func environment(cmd *cobra.Command, flags []string, file string) (map[string]string, error) {
	env := map[string]string{}
	if file != "" {
		content, err := readFile(cmd, file)
		if err != nil {
			return nil, usageError{err}
		}
		lines := bufio.NewScanner(strings.NewReader(content))
		for n := 1; lines.Scan(); n++ {
			line := strings.TrimSpace(lines.Text())
			if line == "" || line[0] == '#' {
				continue
			}
			key, value, found := strings.Cut(line, "=")
			if !found {
				return nil, usageError{fmt.Errorf("%s:%d is not KEY=VALUE", file, n)}
			}
			env[strings.TrimSpace(key)] = value
		}
	}
	for _, flag := range flags {
		key, value, found := strings.Cut(flag, "=")
		if !found {
			if value, found = os.LookupEnv(key); !found {
				return nil, usageError{fmt.Errorf("--env %s has no value, and the environment has none either", key)}
			}
		}
		env[key] = value
	}
	return env, nil
}

func containerCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create NAME --image REFERENCE", Short: "Create a container from an OCI image or a CT template",
		Example: "  berth container create web01 --image docker.io/library/nginx:1.29 --memory 1G --wait",
		Args:    args(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	var image, owner, node, entrypoint, envFile string
	var env, publish []string
	var z sizes
	site, wait, key := addSite(cmd), addWait(cmd), addKey(cmd)
	z.add(cmd)
	cmd.Flags().StringVar(&image, "image", "", "OCI reference, or template:STORAGE:vztmpl/FILE")
	cmd.Flags().StringVar(&owner, "owner", "", "owner of the container; default: you (administrators)")
	cmd.Flags().StringVar(&node, "node", "", "node, by name or ID; default: Berth chooses")
	cmd.Flags().StringVar(&entrypoint, "entrypoint", "", "replaces the image's")
	cmd.Flags().StringArrayVarP(&env, "env", "e", nil, "environment variable KEY=VALUE, or KEY to take yours; may be repeated")
	cmd.Flags().StringVar(&envFile, "env-file", "", "file of KEY=VALUE lines, - for standard input")
	cmd.Flags().StringArrayVar(&publish, "publish", nil, "service from the start: http=NAME:PORT, tcp=[EXTERNAL:]PORT, udp=..., srv=NAME:PORT")
	_ = cmd.RegisterFlagCompletionFunc("image", completeFlag(imageReferences))
	_ = cmd.RegisterFlagCompletionFunc("node", completeFlag(nodeNames))
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		if image == "" {
			return usageError{fmt.Errorf("--image is missing; berth image list names some")}
		}
		cores, memory, swap, disk, err := z.numbers(cmd)
		if err != nil {
			return err
		}
		variables, err := environment(cmd, env, envFile)
		if err != nil {
			return err
		}
		body := client.ContainerCreate{
			Name: args[0], Image: image, Site: optional(*site), Owner: optional(owner), Node: optional(node), Cores: cores,
			MemoryMiB: memory, SwapMiB: swap, DiskGiB: disk, Entrypoint: optional(entrypoint),
		}
		if len(variables) > 0 {
			body.Env = &variables
		}
		if body.Services, err = published(publish); err != nil {
			return err
		}
		answer, err := s.CreateContainerWithResponse(ctx, &client.CreateContainerParams{IdempotencyKey: key()}, body)
		if err != nil {
			return err
		}
		return s.show(ctx, answer.JSON202, *wait)
	})
	return cmd
}

func containerUpdate() *cobra.Command {
	cmd, site := onContainer("update", "Reconfigure a container")
	cmd.Aliases = []string{"reconfigure"}
	var name, entrypoint, envFile string
	var env, unset []string
	var restart bool
	var z sizes
	wait, key := addWait(cmd), addKey(cmd)
	z.add(cmd)
	cmd.Flags().StringVar(&name, "name", "", "new host name")
	cmd.Flags().StringVar(&entrypoint, "entrypoint", "", "replaces the image's; empty takes the image's again")
	cmd.Flags().StringArrayVarP(&env, "env", "e", nil, "environment variable to set, KEY=VALUE; may be repeated")
	cmd.Flags().StringVar(&envFile, "env-file", "", "file of KEY=VALUE lines to set, - for standard input")
	cmd.Flags().StringArrayVar(&unset, "unset-env", nil, "environment variable to remove; may be repeated")
	cmd.Flags().BoolVar(&restart, "restart", false, "restart the container when the change needs it")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		cores, memory, swap, disk, err := z.numbers(cmd)
		if err != nil {
			return err
		}
		variables, err := environment(cmd, env, envFile)
		if err != nil {
			return err
		}
		body := client.ContainerUpdate{
			Name: given(cmd, "name", name), Cores: cores, MemoryMiB: memory, SwapMiB: swap, DiskGiB: disk,
			Entrypoint: given(cmd, "entrypoint", entrypoint), Restart: optional(restart), Env: changes(variables, unset),
		}
		answer, err := s.UpdateContainerWithResponse(ctx, args[0],
			&client.UpdateContainerParams{Site: optional(*site), IdempotencyKey: key()}, body)
		if err != nil {
			return err
		}
		if answer.JSON200 != nil {
			return s.show(ctx, answer.JSON200, *wait)
		}
		return s.show(ctx, answer.JSON202, *wait)
	})
	return cmd
}

// changes joins variables to set and to remove, the latter with a null; nil when there are none.
func changes(set map[string]string, unset []string) *map[string]*string {
	if len(set)+len(unset) == 0 {
		return nil
	}
	env := make(map[string]*string, len(set)+len(unset))
	for key, value := range set {
		env[key] = &value
	}
	for _, key := range unset {
		env[key] = nil
	}
	return &env
}

func containerImport() *cobra.Command {
	cmd := &cobra.Command{
		Use: "import --node NODE --vmid VMID", Short: "Adopt an existing CT without restarting it (administrators)", Args: args(cobra.NoArgs),
	}
	var node, owner, name string
	var vmid int
	site, wait, key := addSite(cmd), addWait(cmd), addKey(cmd)
	cmd.Flags().StringVar(&node, "node", "", "node that the CT is on, by name or ID")
	cmd.Flags().IntVar(&vmid, "vmid", 0, "VMID of the CT")
	cmd.Flags().StringVar(&owner, "owner", "", "owner; default: you")
	cmd.Flags().StringVar(&name, "name", "", "host name; default: the CT's")
	_ = cmd.RegisterFlagCompletionFunc("node", completeFlag(nodeNames))
	cmd.RunE = with(func(ctx context.Context, s *session, _ []string) error {
		if node == "" || vmid == 0 {
			return usageError{fmt.Errorf("--node and --vmid are needed; berth cluster guests CLUSTER lists what there is")}
		}
		answer, err := s.ImportContainerWithResponse(ctx, &client.ImportContainerParams{IdempotencyKey: key()}, client.ContainerImport{
			Site: optional(*site), Node: node, VMID: vmid, Owner: optional(owner), Name: optional(name),
		})
		if err != nil {
			return err
		}
		return s.show(ctx, answer.JSON202, *wait)
	})
	return cmd
}
