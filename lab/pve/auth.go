package pve

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// clockSkew is how far in the future a ticket may have been made.
const clockSkew = 300 * time.Second

// identity is who makes a call. The zero identity is nobody.
type identity struct {
	user  string // user@realm
	token string // token name, "" for a ticket
}

// String is the user's or token's full name, as UPIDs and ACLs hold it.
func (i identity) String() string {
	if i.token == "" {
		return i.user
	}
	return i.user + "!" + i.token
}

// isRoot is true for root@pam by ticket alone; some options are refused even to root's tokens.
func (i identity) isRoot() bool { return i.user == rootUser && i.token == "" }

const (
	rootUser    = "root@pam"
	authFailed  = "Authentication failed!"
	csrfInvalid = "Permission denied - invalid csrf token"
)

// openCall tells the calls that need no credentials.
func openCall(method, path string) bool {
	switch path {
	case "/access/domains":
		return method == http.MethodGet
	case "/access/ticket":
		return method == http.MethodGet || method == http.MethodPost
	}
	return false
}

// authenticate finds out who is calling. Wrong credentials are told alike, whatever is wrong with them.
func (c *Cluster) authenticate(k *call, r *http.Request) (identity, error) {
	header := r.Header.Get("Authorization")
	if openCall(k.method, k.path) {
		// Nobody looks at credentials here, but a token is known to be one.
		id, _, _ := strings.Cut(strings.TrimPrefix(header, "PVEAPIToken="), "=")
		if m := tokenIDPattern.FindStringSubmatch(id); m != nil && id != header {
			return identity{token: m[3]}, nil
		}
		return identity{}, nil
	}
	if token, ok := strings.CutPrefix(header, "PVEAPIToken="); ok {
		return c.verifyToken(token)
	}
	ticket := ""
	for _, cookie := range strings.Split(r.Header.Get("Cookie"), ";") {
		if text, ok := strings.CutPrefix(strings.TrimSpace(cookie), "PVEAuthCookie="); ok {
			ticket = text
		}
	}
	if ticket == "" {
		ticket = strings.TrimPrefix(header, "PVEAuthCookie=")
		if ticket == header {
			ticket = ""
		}
	}
	if ticket == "" {
		return identity{}, unauthorized("No ticket")
	}
	if plain, err := url.PathUnescape(ticket); err == nil {
		ticket = plain
	}
	user, ok := c.verifyTicket(ticket)
	if !ok {
		return identity{}, unauthorized(authFailed)
	}
	if k.method != http.MethodGet && !c.verifyCSRF(user, r.Header.Get("CSRFPreventionToken")) {
		return identity{}, unauthorized(csrfInvalid)
	}
	return identity{user: user}, nil
}

// verifyToken checks user@realm!name=secret.
func (c *Cluster) verifyToken(s string) (identity, error) {
	id, secret, ok := strings.Cut(s, "=")
	parts := tokenIDPattern.FindStringSubmatch(id)
	if !ok || parts == nil {
		return identity{}, unauthorized(authFailed)
	}
	who := identity{user: parts[1] + "@" + parts[2], token: parts[3]}
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.state.Users[who.user]
	if u == nil || !u.usable(c.now()) || u.Tokens[who.token] == nil {
		return identity{}, unauthorized(authFailed)
	}
	t := u.Tokens[who.token]
	if !hmac.Equal([]byte(t.Digest), []byte(c.digest(secret))) || t.Expire != 0 && t.Expire <= c.now().Unix() {
		return identity{}, unauthorized(authFailed)
	}
	return who, nil
}

// digest is how secrets are kept at rest.
func (c *Cluster) digest(secret string) string {
	mac := hmac.New(sha256.New, c.state.Key)
	mac.Write([]byte("secret:" + secret))
	return hex.EncodeToString(mac.Sum(nil))
}

func (c *Cluster) sign(text string) string {
	mac := hmac.New(sha256.New, c.state.Key)
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// ticket makes the ticket that user gets at a time.
func (c *Cluster) ticket(user string, at time.Time) string {
	plain := fmt.Sprintf("PVE:%s:%08X", user, at.Unix())
	return plain + "::" + c.sign(plain)
}

func (c *Cluster) csrfToken(user string, at time.Time) string {
	stamp := fmt.Sprintf("%08X", at.Unix())
	return stamp + ":" + strings.TrimRight(c.sign("csrf:"+stamp+":"+user), "=")
}

// verifyTicket returns the ticket's user.
func (c *Cluster) verifyTicket(ticket string) (string, bool) {
	plain, signature, ok := strings.Cut(ticket, "::")
	if !ok || !hmac.Equal([]byte(signature), []byte(c.sign(plain))) {
		return "", false
	}
	parts := strings.Split(plain, ":")
	if len(parts) != 3 || parts[0] != "PVE" || !c.fresh(parts[2]) {
		return "", false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.state.Users[parts[1]]
	return parts[1], u != nil && u.usable(c.now())
}

func (c *Cluster) verifyCSRF(user, token string) bool {
	stamp, _, ok := strings.Cut(token, ":")
	if !ok || !c.fresh(stamp) {
		return false
	}
	at, err := strconv.ParseInt(stamp, 16, 64)
	return err == nil && hmac.Equal([]byte(token), []byte(c.csrfToken(user, time.Unix(at, 0))))
}

// fresh tells whether a hexadecimal time is within a ticket's life.
func (c *Cluster) fresh(stamp string) bool {
	at, err := strconv.ParseInt(stamp, 16, 64)
	if err != nil {
		return false
	}
	age := c.now().Sub(time.Unix(at, 0))
	return age > -clockSkew && age < c.timings.TicketLife
}

// postTicket is the login.
func (c *Cluster) postTicket(k *call) (answer, error) {
	user, password := k.params.get("username"), k.params.get("password")
	if realm := k.params.get("realm"); realm != "" && !strings.Contains(user, "@") {
		user += "@" + realm
	}
	failure := &apiError{status: http.StatusUnauthorized, message: "authentication failure\n", delay: true}
	if owner, ok := c.verifyTicket(password); ok && owner == user {
		// A ticket is accepted in place of the password, to renew it.
	} else if !c.verifyPassword(k, user, password) {
		return answer{}, failure
	}
	if path := k.params.get("path"); path != "" {
		if err := c.allow(identity{user: user}, normalizePath(path), false, k.params.list("privs")...); err != nil {
			return answer{}, failure
		}
	}
	now := c.now()
	data := map[string]any{
		"username":            user,
		"ticket":              c.ticket(user, now),
		"CSRFPreventionToken": c.csrfToken(user, now),
		"cap":                 c.capabilities(user),
	}
	if len(c.nodes) > 1 {
		data["clustername"] = c.name
	}
	return answer{data: data}, nil
}

func (c *Cluster) verifyPassword(k *call, name, password string) bool {
	c.mu.Lock()
	u := c.state.Users[name]
	usable := u != nil && u.usable(c.now())
	login, realmName, _ := strings.Cut(name, "@")
	realm := c.state.Realms[realmName]
	digest := c.digest(password)
	c.mu.Unlock()
	switch {
	case !usable || realm == nil:
		return false
	case realm.synced():
		return c.directory != nil && c.directory.Check(k.ctx, realm.Settings, login, password) == nil
	}
	return u.Digest != "" && hmac.Equal([]byte(u.Digest), []byte(digest))
}
