package web

import (
	"encoding/json"
	"net/http"
	"time"

	"berth/domain"
)

const (
	cookieName = "berth_session"
	// lifetime is how long a session lasts at most: a working day.
	lifetime = 12 * time.Hour
	// sealedAs ties a sealed session to its purpose.
	sealedAs = "web/session"
)

// Sealer encrypts and authenticates; the key ring does it.
type Sealer interface {
	Seal(plain []byte, aad string) (string, error)
	Open(sealed, aad string) ([]byte, error)
}

// session is what the cookie holds, sealed: the token that was signed in with. It is looked up at every request, so a session
// ends when its token does, on every server at once, and no server keeps a list.
type session struct {
	Token string    `json:"token"`
	Until time.Time `json:"until"`
}

// sessions keeps sessions in cookies.
type sessions struct {
	sealer Sealer
	now    func() time.Time
}

// begin gives the browser a session.
func (s sessions) begin(w http.ResponseWriter, r *http.Request, token string) error {
	until := s.now().Add(lifetime)
	plain, err := json.Marshal(session{Token: token, Until: until})
	if err != nil {
		return domain.Errorf(domain.Internal, "the session could not be written: %w", err)
	}
	sealed, err := s.sealer.Seal(plain, sealedAs)
	if err != nil {
		return err
	}
	http.SetCookie(w, cookie(r, sealed, until))
	return nil
}

// end takes the session away again.
func (s sessions) end(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, cookie(r, "", time.Unix(1, 0)))
}

// token returns the token of the request's session; none when there is no session, or it is over.
func (s sessions) token(r *http.Request) (string, bool) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return "", false
	}
	plain, err := s.sealer.Open(c.Value, sealedAs)
	if err != nil {
		return "", false
	}
	var found session
	if json.Unmarshal(plain, &found) != nil || !s.now().Before(found.Until) {
		return "", false
	}
	return found.Token, true
}

func cookie(r *http.Request, value string, until time.Time) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: value, Path: "/", Expires: until,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	}
}
