package store

import (
	"encoding/json"

	"berth/domain"
)

// sealedColumn is a place where sealed values are kept. Its name and the row's ID bind a value to its place.
type sealedColumn struct {
	table, id, column string
}

// Every place where sealed values are kept; RotateKeys goes through them.
var (
	clusterToken     = sealedColumn{"clusters", "id", "token_sealed"}
	containerEnv     = sealedColumn{"containers", "id", "env_sealed"}
	registryPassword = sealedColumn{"registries", "id", "password_sealed"}
	certificateKey   = sealedColumn{"certificates", "id", "key_sealed"}
	accountKey       = sealedColumn{"acme_accounts", "id", "key_sealed"}
	accountEABKey    = sealedColumn{"acme_accounts", "id", "eab_key_sealed"}
	orderKey         = sealedColumn{"certificate_orders", "certificate_id", "key_sealed"}
	providerSecret   = sealedColumn{"external_domains", "id", "dns_secret_sealed"}
	secretValue      = sealedColumn{"secrets", "name", "value_sealed"}
)

func sealedColumns() []sealedColumn {
	return []sealedColumn{clusterToken, containerEnv, registryPassword, certificateKey, accountKey, accountEABKey, orderKey, providerSecret, secretValue}
}

func (c sealedColumn) aad(id string) string { return c.table + "/" + c.column + "/" + id }

// seal returns the empty string for an empty value: that there is none is no secret.
func (s *Store) seal(c sealedColumn, id string, plain []byte) (string, error) {
	if len(plain) == 0 {
		return "", nil
	}
	return s.ring.Seal(plain, c.aad(id))
}

func (s *Store) unseal(c sealedColumn, id, sealed string) ([]byte, error) {
	if sealed == "" {
		return nil, nil
	}
	return s.ring.Open(sealed, c.aad(id))
}

func (s *Store) sealEnv(id string, env map[string]string) (string, error) {
	if len(env) == 0 {
		return "", nil
	}
	plain, err := json.Marshal(env)
	if err != nil {
		return "", domain.Errorf(domain.Internal, "write environment: %w", err)
	}
	return s.seal(containerEnv, id, plain)
}

func (s *Store) unsealEnv(id, sealed string) (map[string]string, error) {
	plain, err := s.unseal(containerEnv, id, sealed)
	if err != nil || plain == nil {
		return nil, err
	}
	var env map[string]string
	if err := json.Unmarshal(plain, &env); err != nil {
		return nil, domain.Errorf(domain.Internal, "read environment")
	}
	return env, nil
}
