package pve

import (
	"encoding/json"
	"strconv"

	"github.com/google/uuid"
)

// tokenOf returns the token that a call names; c.mu is held.
func (c *Cluster) tokenOf(k *call) (*token, error) {
	u := c.state.Users[k.params.get("userid")]
	if u == nil || u.Tokens[k.params.get("tokenid")] == nil {
		return nil, die("no such token '%s' for user '%s'", k.params.get("tokenid"), k.params.get("userid"))
	}
	return u.Tokens[k.params.get("tokenid")], nil
}

func (c *Cluster) getTokens(k *call) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u, err := c.userOf(k)
	if err != nil {
		return answer{}, err
	}
	rows := []any{}
	for id, t := range u.Tokens {
		row := t.row()
		row["tokenid"] = id
		rows = append(rows, row)
	}
	return answer{data: rows}, nil
}

func (c *Cluster) getToken(k *call) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.tokenOf(k)
	if err != nil {
		return answer{}, err
	}
	return answer{data: t.row()}, nil
}

// postToken makes a token and shows its secret for the only time. Its settings are echoed as they were sent.
func (c *Cluster) postToken(k *call) (answer, error) {
	p := k.params
	owner, id := p.get("userid"), p.get("tokenid")
	c.mu.Lock()
	u, err := c.userOf(k)
	exists := err == nil && u.Tokens[id] != nil
	c.mu.Unlock()
	if err != nil {
		return answer{}, err
	}
	if exists {
		return answer{}, paramError("tokenid", "Token already exists.")
	}
	if err := c.userConfigLock(k.ctx, "generating token failed"); err != nil {
		return answer{}, err
	}
	info := map[string]any{"privsep": 1}
	for _, name := range []string{"privsep", "expire", "comment"} {
		if v, given := p[name]; given {
			info[name] = v.echo()
		}
	}
	secret := uuid.NewString()
	c.mu.Lock()
	defer c.mu.Unlock()
	if u.Tokens == nil {
		u.Tokens = map[string]*token{}
	}
	u.Tokens[id] = &token{
		Digest: c.digest(secret), Privsep: !p.has("privsep") || p.bool("privsep"), Expire: int64(p.int("expire", 0)),
		Comment: p.get("comment"),
	}
	c.save()
	return answer{data: map[string]any{"full-tokenid": owner + "!" + id, "info": info, "value": secret}}, nil
}

// echo is a value with the JSON type it came with.
func (v value) echo() any {
	if v.number {
		return json.Number(v.text)
	}
	return v.text
}

func (c *Cluster) putToken(k *call) (answer, error) {
	p := k.params
	if err := c.userConfigLock(k.ctx, "updating token failed"); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.tokenOf(k)
	if err != nil {
		return answer{}, err
	}
	if p.has("comment") {
		t.Comment = p.get("comment")
	}
	if p.has("expire") {
		t.Expire, _ = strconv.ParseInt(p.get("expire"), 10, 64) // rules have checked it
	}
	if p.has("privsep") {
		t.Privsep = p.bool("privsep")
	}
	row := t.row()
	if p.bool("regenerate") {
		secret := uuid.NewString()
		t.Digest = c.digest(secret)
		row["value"], row["full-tokenid"] = secret, p.get("userid")+"!"+p.get("tokenid")
	}
	c.save()
	return answer{data: row}, nil
}

func (c *Cluster) deleteToken(k *call) (answer, error) {
	if err := c.userConfigLock(k.ctx, "deleting token failed"); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.tokenOf(k); err != nil {
		return answer{}, err
	}
	owner, id := k.params.get("userid"), k.params.get("tokenid")
	delete(c.state.Users[owner].Tokens, id)
	c.dropACL(func(e aclEntry) bool { return e.Type == "token" && e.ID == owner+"!"+id })
	c.save()
	return answer{}, nil
}
