package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2" // merges the sources in one order of precedence and decodes them into one struct
	"github.com/spf13/pflag"

	"berth/domain"
)

// Keys lists every key, in the order of the struct.
func Keys() []Key {
	t := reflect.TypeFor[Config]()
	keys := make([]Key, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		name := tag.Get("key")
		env := tag.Get("env")
		if env == "" {
			env = "BERTH_" + strings.ToUpper(name)
		}
		keys = append(keys, Key{
			Name: name, Flag: flagName(name), Env: env,
			Default: tag.Get("default"), Help: tag.Get("help"), Secret: tag.Get("secret") != "",
		})
	}
	return keys
}

// Flags adds a flag for every key to a flag set.
func Flags(fs *pflag.FlagSet) {
	t := reflect.TypeFor[Config]()
	for i, k := range Keys() {
		help := k.Help + " ($" + k.Env + ")"
		if t.Field(i).Type.Kind() == reflect.Bool {
			fs.Bool(k.Flag, false, help)
			continue
		}
		fs.String(k.Flag, k.Default, help)
	}
}

// Load reads the configuration: flags that were set, then environment, then the file, then defaults. path may be
// empty. A wrong key or value is an Invalid error that names it.
func Load(fs *pflag.FlagSet, environ []string, path string) (Config, error) {
	k := koanf.New(".")
	defaults := map[string]any{}
	for _, key := range Keys() {
		if key.Default != "" {
			defaults[key.Name] = key.Default
		}
	}
	if err := k.Load(confmap.Provider(defaults, ""), nil); err != nil {
		return Config{}, fmt.Errorf("defaults: %w", err)
	}
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return Config{}, domain.Errorf(domain.Invalid, "configuration file %s: %w", path, err)
		}
	}
	env, err := environment(environ)
	if err != nil {
		return Config{}, err
	}
	if err := k.Load(confmap.Provider(env, ""), nil); err != nil {
		return Config{}, fmt.Errorf("environment: %w", err)
	}
	if fs != nil {
		known := Keys()
		named := func(f *pflag.Flag) (string, any) {
			i := slices.IndexFunc(known, func(key Key) bool { return key.Flag == f.Name })
			if i < 0 || !f.Changed {
				return "", nil // a flag of the command itself, or one that was not given
			}
			return known[i].Name, f.Value.String()
		}
		if err := k.Load(posflag.ProviderWithFlag(fs, ".", k, named), nil); err != nil {
			return Config{}, fmt.Errorf("flags: %w", err)
		}
	}
	return decode(k)
}

func decode(k *koanf.Koanf) (Config, error) {
	var c Config
	err := k.UnmarshalWithConf("", &c, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result: &c, TagName: "key", ErrorUnused: true, WeaklyTypedInput: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToSliceHookFunc(",")),
	}})
	if err != nil {
		return Config{}, domain.Errorf(domain.Invalid, "configuration: %w", err)
	}
	if c.ImageMaxAge != 0 && c.ImageMaxAge < shortestImageAge {
		return Config{}, domain.Errorf(domain.Invalid, "configuration: image_max_age must be 0 or at least %s, but is %s",
			shortestImageAge, c.ImageMaxAge)
	}
	return c.withPaths(), nil
}

// shortestImageAge is longer than any provision takes, so that its image is not pruned under it.
const shortestImageAge = time.Hour

// environment picks the known variables and refuses unknown ones that carry our prefix.
func environment(environ []string) (map[string]any, error) {
	set := map[string]any{}
	byEnv := map[string]string{}
	for _, key := range Keys() {
		byEnv[key.Env] = key.Name
	}
	var unknown []string
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		key, known := byEnv[name]
		switch {
		case known:
			set[key] = value
		case strings.HasPrefix(name, "BERTH_") && !slices.Contains(client, name) && !strings.HasPrefix(name, "BERTH_E2E") &&
			name != "BERTH_PVE_RECORDINGS":
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, domain.Errorf(domain.Invalid, "unknown environment variables: %s; berth config lists the known ones", strings.Join(unknown, ", "))
	}
	return set, nil
}

// withPaths fills in what follows from the data folder.
func (c Config) withPaths() Config {
	if abs, err := filepath.Abs(c.Data); err == nil {
		c.Data = abs
	}
	fill := func(field *string, elem ...string) {
		if *field == "" {
			*field = filepath.Join(append([]string{c.Data}, elem...)...)
		}
	}
	fill(&c.KeysFile, "keys.json")
	fill(&c.EdgeDir, "edge")
	fill(&c.LabCache, "lab", "images")
	if c.Database == "" {
		c.Database = "sqlite://" + filepath.Join(c.Data, "berth.db")
	}
	if c.TemporalBinary == "" {
		if self, err := os.Executable(); err == nil {
			c.TemporalBinary = filepath.Join(filepath.Dir(self), "berth-temporal")
		}
	}
	return c
}
