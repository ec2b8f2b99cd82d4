package domain_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"berth/domain"
)

func TestSecretIsNeverSeen(t *testing.T) {
	const value = "hunter2-hunter2"
	s := domain.Secret(value)
	holder := struct {
		Token  domain.Secret
		Values map[string]domain.Secret
	}{s, map[string]domain.Secret{"KEY": s}}
	pointer := &s

	seen := map[string]string{"String": s.String(), "error": fmt.Errorf("refused %v: %w", s, errors.New("no")).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3s", "%U"} {
		for name, what := range map[string]any{"itself": s, "pointer": pointer, "in a struct": holder, "in a slice": []domain.Secret{s}} {
			seen[verb+" of it "+name] = fmt.Sprintf(verb, what)
		}
	}
	for name, what := range map[string]any{"itself": s, "in a struct": holder} {
		raw, err := json.Marshal(what)
		if err != nil {
			t.Fatalf("json of it %s: %v", name, err)
		}
		seen["json of it "+name] = string(raw)
	}
	var log bytes.Buffer
	for name, handler := range map[string]slog.Handler{"text": slog.NewTextHandler(&log, nil), "json": slog.NewJSONHandler(&log, nil)} {
		log.Reset()
		slog.New(handler).Info("asked", "token", s, "holder", holder, slog.Group("group", "token", s))
		seen["slog as "+name] = log.String()
	}

	for how, text := range seen {
		hex := fmt.Sprintf("%x", value)
		if strings.Contains(text, value) || strings.Contains(strings.ToLower(text), hex) || strings.Contains(text, value[:3]) {
			t.Errorf("%s gives it away: %s", how, text)
		}
		if text == "" {
			t.Errorf("%s prints nothing", how)
		}
	}
	if s.Reveal() != value {
		t.Errorf("Reveal returns %q, want the value", s.Reveal())
	}
}

func TestSecretIsReadFromJSON(t *testing.T) {
	var got struct{ Token domain.Secret }
	if err := json.Unmarshal([]byte(`{"token":"hunter2"}`), &got); err != nil {
		t.Fatal(err)
	}
	if got.Token.Reveal() != "hunter2" {
		t.Errorf("read %q, want hunter2", got.Token.Reveal())
	}
}
