package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	// go-isatty: knows a terminal on every system that Go does.
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
)

func addYes(cmd *cobra.Command) *bool {
	return cmd.Flags().BoolP("yes", "y", false, "do not ask")
}

// confirm asks on a terminal. Scripts are not asked: they said what they want.
func (s *session) confirm(sure bool, question string) error {
	in, isFile := s.cmd.InOrStdin().(*os.File)
	if sure || !isFile || !isatty.IsTerminal(in.Fd()) {
		return nil
	}
	fmt.Fprintf(s.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return errors.New("nothing was done: no answer")
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}
