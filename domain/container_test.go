package domain_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/domain"
)

// offending returns the names of the fields that break rules, sorted.
func offending(bad []domain.FieldError) []string {
	var names []string
	for _, f := range bad {
		names = append(names, f.Field)
	}
	slices.Sort(names)
	return names
}

func TestSpecValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*domain.Spec)
		want   []string
	}{
		{"defaults", func(*domain.Spec) {}, nil},
		{"the least", func(s *domain.Spec) { s.Cores, s.MemoryMiB, s.DiskGiB = 1, domain.MinMemoryMiB, 1 }, nil},
		{"the most", func(s *domain.Spec) {
			s.Cores, s.MemoryMiB, s.SwapMiB, s.DiskGiB = domain.MaxCores, domain.MaxMemoryMiB, domain.MaxMemoryMiB, domain.MaxDiskGiB
		}, nil},
		{"too little", func(s *domain.Spec) {
			s.Cores, s.MemoryMiB, s.SwapMiB, s.DiskGiB = -1, domain.MinMemoryMiB-1, -1, -1
		}, []string{"cores", "diskGiB", "memoryMiB", "swapMiB"}},
		{"too much", func(s *domain.Spec) {
			s.Cores, s.MemoryMiB, s.SwapMiB, s.DiskGiB = domain.MaxCores+1, domain.MaxMemoryMiB+1, domain.MaxMemoryMiB+1, domain.MaxDiskGiB+1
		}, []string{"cores", "diskGiB", "memoryMiB", "swapMiB"}},
		{"no image", func(s *domain.Spec) { s.Image = "" }, []string{"image"}},
		{"entrypoint", func(s *domain.Spec) { s.Entrypoint = "/bin/sh -c 'a\tb'" }, nil},
		{"entrypoint of two lines", func(s *domain.Spec) { s.Entrypoint = "/bin/sh\n/bin/false" }, []string{"entrypoint"}},
		{"env", func(s *domain.Spec) { s.Env = map[string]string{"1ST": "x", "OK": "x"} }, []string{"env.1ST"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := domain.Spec{Image: "debian:12"}.WithDefaults()
			c.change(&s)
			if d := cmp.Diff(c.want, offending(s.Validate())); d != "" {
				t.Errorf("offending fields differ (-want +got):\n%s", d)
			}
		})
	}
}

func TestSpecWithDefaultsKeepsWhatIsGiven(t *testing.T) {
	given := domain.Spec{Image: "debian", Cores: 3, MemoryMiB: 100, SwapMiB: 7, DiskGiB: 9}
	if d := cmp.Diff(given, given.WithDefaults()); d != "" {
		t.Errorf("changed (-given +got):\n%s", d)
	}
}

func TestValidateEnv(t *testing.T) {
	for _, c := range []struct {
		key, value string
		good       bool
	}{
		{"PATH", "/bin:/usr/bin", true},
		{"_x9", "", true},
		{"GREETING", "Grüße, \"quoted\" = $x\tand tabs", true},
		{"", "x", false},
		{"9LIVES", "x", false},
		{"WITH-DASH", "x", false},
		{"WITH SPACE", "x", false},
		{"A=B", "x", false},
		{"Ä", "x", false},
		{"LINES", "a\nb", false},
		{"RETURN", "a\rb", false},
		{"NUL", "a\x00b", false},
		{"DELETE", "a\x7fb", false},
	} {
		bad := domain.ValidateEnv(map[string]string{c.key: c.value})
		if c.good != (len(bad) == 0) {
			t.Errorf("%q=%q: offending %v, want it to be good: %v", c.key, c.value, bad, c.good)
		}
		if !c.good && len(bad) == 1 && bad[0].Field != "env."+c.key {
			t.Errorf("%q=%q: the offending field is %q", c.key, c.value, bad[0].Field)
		}
	}
}

func TestPowerActions(t *testing.T) {
	for action, want := range map[domain.PowerAction]domain.Power{
		domain.ActionStart: domain.PowerRunning, domain.ActionReboot: domain.PowerRunning,
		domain.ActionShutdown: domain.PowerStopped, domain.ActionStop: domain.PowerStopped,
	} {
		if !action.Valid() {
			t.Errorf("%s is not valid", action)
		}
		if got := action.Wants(); got != want {
			t.Errorf("%s wants %s, want %s", action, got, want)
		}
	}
	for _, unknown := range []domain.PowerAction{"", "suspend", "START"} {
		if unknown.Valid() {
			t.Errorf("%q is valid", unknown)
		}
	}
}
