package config

import (
	"fmt"
	"strings"
)

//go:generate go run ../cmd/berth config --markdown --output ../docs/configuration.md

// Markdown returns the page that documents every key.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# Configuration\n\nFlags win over environment variables, which win over the file named by `--config` (YAML). " +
		"Unknown keys are refused.\nThis page is generated from `config/keys.go`.\n\n" +
		"| key | flag | environment | default | meaning |\n|---|---|---|---|---|\n")
	for _, k := range Keys() {
		def := ""
		if k.Default != "" {
			def = "`" + k.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `--%s` | `%s` | %s | %s |\n", k.Name, k.Flag, k.Env, def, k.Help)
	}
	return b.String()
}
