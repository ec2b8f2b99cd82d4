package main

import (
	"context"
	"log/slog"
	"time"

	"berth/domain"
)

// What a role needs is started at the same time as the role itself, so it waits for that. The pauses grow from firstPause to
// longestPause; after patience a role gives up and leaves it to whoever supervises it.
const (
	patience     = 10 * time.Minute
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Second
)

// awaiting tries something again and again while it is domain.Unavailable or domain.Transient.
type awaiting struct {
	logger         *slog.Logger
	patience       time.Duration
	first, longest time.Duration
}

// patiently waits as a role does at its start.
func patiently(logger *slog.Logger) awaiting {
	return awaiting{logger: logger, patience: patience, first: firstPause, longest: longestPause}
}

// until returns once try succeeds, or with its last error. Each new reason to wait is logged once.
func (a awaiting) until(ctx context.Context, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, a.patience)
	defer cancel()
	said := ""
	for pause := a.first; ; pause = min(2*pause, a.longest) {
		err := try(ctx)
		if !domain.Is(err, domain.Unavailable) && !domain.Is(err, domain.Transient) {
			if err == nil && said != "" {
				a.logger.InfoContext(ctx, "goes on: it is there", "what", what)
			}
			return err
		}
		if err.Error() != said {
			said = err.Error()
			a.logger.WarnContext(ctx, "waits", "what", what, "reason", said)
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return err
		}
	}
}
