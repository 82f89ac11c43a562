package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/viper"
)

// EnvPrefix begins the name of every environment variable that belongs to the product.
const EnvPrefix = "IMAGERUN_"

// FileVariable names the file when no argument does.
const FileVariable = EnvPrefix + "CONFIG"

// Load reads defaults, then the YAML file, then environ (as from [os.Environ]), and checks the
// result for process; an empty process needs nothing in particular. An empty file means the one
// that [FileVariable] names, or none. On error the Config is the zero value and the error is
// [errors.Join] of one [KeyError] for each thing that is wrong.
func Load(process Process, file string, environ []string) (Config, error) {
	var found keyErrors

	env := filterVariables(environ)
	if file == "" {
		file = env[FileVariable]
	}

	delete(env, FileVariable)

	v := viper.New()

	if file != "" {
		readFile(v, file, &found)
	}

	var cfg Config

	all := listLeaves(&cfg)
	applyEnvironment(v, all, env, &found)

	// Decode key by key, so that one bad value hides no other and the texts stay ours.
	for _, l := range all {
		v.SetDefault(l.name, l.fallback)

		if err := v.UnmarshalKey(l.name, l.value.Addr().Interface(), viper.DecodeHook(decodeHook())); err != nil {
			found.add(l.name, "must be %s", describeType(l.value.Type()))

			// The rules below compare keys: let them compare with something sensible.
			v.Set(l.name, l.fallback)
			_ = v.UnmarshalKey(l.name, l.value.Addr().Interface(), viper.DecodeHook(decodeHook()))
		}
	}

	found.addAll(cfg.validateFor(process))

	if err := found.joinErrors(); err != nil {
		return Config{}, err
	}

	return cfg, nil
}

// Default returns the configuration in which nothing is set: enough to build on in tests,
// not enough to run a process with.
func Default() Config {
	cfg, err := Load("", "", nil)
	if err != nil {
		panic(fmt.Sprintf("the built-in defaults are wrong: %v", err))
	}

	return cfg
}

// KeyError is one thing that is wrong.
type KeyError struct {
	Key    string // as the file spells it, such as "fal.key"; empty: not about one key
	Remedy string // what is wrong and what to do

	cause error // why the file could not be read
}

// Error names the key in both spellings.
func (p *KeyError) Error() string {
	if p.Key == "" {
		return p.Remedy
	}

	return fmt.Sprintf("%s (%s) %s", p.Key, Variable(p.Key), p.Remedy)
}

// Unwrap returns the cause, if there is one.
func (p *KeyError) Unwrap() error { return p.cause }

// Variable returns the environment's spelling of a key.
func Variable(key string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// keyErrors collects at most one KeyError for each key: the first is the one to mend first.
type keyErrors struct{ list []*KeyError }

func (p *keyErrors) add(key, format string, args ...any) {
	err := fmt.Errorf(format, args...)
	p.addAll(keyErrors{list: []*KeyError{{Key: key, Remedy: err.Error(), cause: errors.Unwrap(err)}}})
}

func (p *keyErrors) addAll(others keyErrors) {
	for _, o := range others.list {
		known := func(q *KeyError) bool { return o.Key != "" && q.Key == o.Key }
		if !slices.ContainsFunc(p.list, known) {
			p.list = append(p.list, o)
		}
	}
}

func (p *keyErrors) joinErrors() error {
	errs := make([]error, len(p.list))
	for i, q := range p.list {
		errs[i] = q
	}

	return errors.Join(errs...)
}

// filterVariables returns our part of the environment, without empty values.
func filterVariables(environ []string) map[string]string {
	vars := map[string]string{}

	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, EnvPrefix) && value != "" {
			vars[name] = value
		}
	}

	return vars
}

// readFile reads the file into v and refuses what no key answers to.
func readFile(v *viper.Viper, file string, found *keyErrors) {
	raw, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		found.add("", "the configuration file cannot be read: %w", err)

		return
	}

	f := viper.New()
	f.SetConfigType("yaml")

	if err := f.ReadConfig(bytes.NewReader(raw)); err != nil {
		// The parser's own text may quote the file, which holds secrets.
		at := regexp.MustCompile(`line \d+`).FindString(err.Error())
		if at == "" {
			at = "its first line"
		}

		found.add("", "the configuration file %s is not valid YAML near %s: compare it with config.example.yaml", file, at)

		return
	}

	names, sections := listNames()
	settings := f.AllSettings()

	for _, key := range slices.Sorted(slices.Values(f.AllKeys())) {
		// A mapping in place of a value is for the decoder to accept or to refuse.
		isOrIsInside := func(name string) bool { return key == name || strings.HasPrefix(key, name+".") }

		switch {
		case slices.ContainsFunc(names, isOrIsInside):
		case slices.Contains(sections, key):
			delete(settings, key)

			if f.Get(key) != nil {
				found.add(key, "is a section: write its keys indented below it")
			}
		default:
			found.add(key, "does not exist%s", suggestName(key, names))
		}
	}

	if err := v.MergeConfigMap(settings); err != nil {
		found.add("", "the configuration file %s is not understood", file)
	}
}

// applyEnvironment lets the environment's values win over the file's, and refuses the others.
func applyEnvironment(v *viper.Viper, all []leaf, env map[string]string, found *keyErrors) {
	names := make([]string, 0, len(all))

	for _, l := range all {
		name := Variable(l.name)
		names = append(names, name)

		if l.isSecret() {
			names = append(names, FileOf(l.name))

			if value, ok := readSecret(l, env, found); ok {
				v.Set(l.name, value)
			}
		}

		if value, ok := env[name]; ok {
			v.Set(l.name, value)
			delete(env, name)
		}
	}

	for _, name := range slices.Sorted(maps.Keys(env)) {
		found.add("", "the environment variable %s does not exist%s", name, suggestName(name, names))
	}
}

// leaf is one key with the field that takes its value.
type leaf struct {
	name     string
	doc      string
	fallback string // the default, as the environment would spell it
	value    reflect.Value
}

// listLeaves lists the keys of cfg in the order of the struct.
func listLeaves(cfg *Config) []leaf {
	var all []leaf

	walkKeys(reflect.ValueOf(cfg).Elem(), "", func(l leaf, section bool) {
		if !section {
			all = append(all, l)
		}
	})

	return all
}

// walkKeys visits sections before their keys.
func walkKeys(v reflect.Value, prefix string, visit func(l leaf, section bool)) {
	for field, value := range v.Fields() {
		key, isKey := field.Tag.Lookup("key")
		if !isKey {
			continue
		}

		_, isLeaf := field.Tag.Lookup("default")
		section := value.Kind() == reflect.Struct && !isLeaf && hasKeys(value.Type())
		visit(leaf{name: prefix + key, doc: field.Tag.Get("doc"), fallback: field.Tag.Get("default"), value: value}, section)

		if section {
			walkKeys(value, prefix+key+".", visit)
		}
	}
}

func hasKeys(t reflect.Type) bool {
	for field := range t.Fields() {
		if _, ok := field.Tag.Lookup("key"); ok {
			return true
		}
	}

	return false
}

// listNames returns the names of all keys and of all sections.
func listNames() (names, sections []string) {
	walkKeys(reflect.ValueOf(new(Config)).Elem(), "", func(l leaf, section bool) {
		if section {
			sections = append(sections, l.name)
		} else {
			names = append(names, l.name)
		}
	})

	return names, sections
}
