package web

import (
	"context"
	"embed"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"berth/app"
	"berth/domain"
)

//go:embed pages
var pages embed.FS

// Guard knows administrators by their tokens; source is the caller's address, and part what they sign in to.
type Guard interface {
	SignIn(ctx context.Context, bearer, source, part string) (domain.Actor, error)
	Administrator(ctx context.Context, bearer, source string) (domain.Actor, error)
}

// TemporalUI is Temporal's web UI behind an administrator's login. Temporal itself asks nobody who they are.
type TemporalUI struct {
	Upstream *url.URL     // where Temporal's UI listens, for Berth alone
	Guard    Guard        // who may see it
	Sealer   Sealer       // of the sessions
	Codec    http.Handler // decodes payloads for the UI (Temporal's remote codec protocol); nil when they are not encrypted
	Logger   *slog.Logger
}

// Paths of the login itself; everything else is the UI's.
const (
	loginPath  = "/berth/login"
	logoutPath = "/berth/logout"
	stylePath  = "/berth/style.css"
	// CodecPath is where the UI has payloads decoded.
	CodecPath = "/berth/codec"
)

// Handler returns what a listener serves.
func (u TemporalUI) Handler() http.Handler {
	v := &visitors{
		TemporalUI: u, sessions: sessions{sealer: u.Sealer, now: time.Now},
		page: template.Must(template.ParseFS(pages, "pages/login.html")),
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u.Upstream)
			r.Out.Header.Del("Authorization")
			withoutSession(r.Out)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			u.Logger.WarnContext(r.Context(), "Temporal's UI does not answer", "error", err)
			http.Error(w, "Temporal's UI does not answer. Try again in a moment; the log of berth says why.", http.StatusBadGateway)
		},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+loginPath, v.form)
	mux.HandleFunc("POST "+loginPath, v.signIn)
	mux.HandleFunc("POST "+logoutPath, v.signOut)
	mux.HandleFunc("GET "+stylePath, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pages, "pages/style.css") })
	if u.Codec != nil {
		// Only decoding: nobody needs the UI to make payloads.
		mux.Handle("POST "+CodecPath+"/decode", v.only(u.Codec))
	}
	mux.Handle("/", v.only(proxy))
	return http.NewCrossOriginProtection().Handler(mux)
}

// visitors tells administrators from everybody else.
type visitors struct {
	TemporalUI
	sessions sessions
	page     *template.Template
}

// only lets administrators through: by their session, or by their token in the header for programs.
func (v *visitors) only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, found := v.sessions.token(r)
		if bearer, ok := app.Bearer(r.Header.Get("Authorization")); ok {
			token, found = bearer, true
		}
		var err error
		if found {
			_, err = v.Guard.Administrator(r.Context(), token, source(r))
		}
		switch {
		case found && err == nil:
			next.ServeHTTP(w, r)
		case found && !domain.Is(err, domain.Unauthenticated):
			v.refuse(w, r, err)
		case r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html"):
			http.Redirect(w, r, loginPath+"?"+url.Values{"next": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
		default:
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "Log in at "+loginPath+", or send an administrator's API token as Authorization: Bearer <token>.",
				http.StatusUnauthorized)
		}
	})
}

func (v *visitors) refuse(w http.ResponseWriter, r *http.Request, err error) {
	policy := domain.KindOf(err).Policy()
	if policy.HTTP >= http.StatusInternalServerError {
		v.Logger.ErrorContext(r.Context(), "sign in", "error", err)
	}
	http.Error(w, domain.Words(err), policy.HTTP)
}

// question is what the login page shows.
type question struct {
	Next    string // where to go afterwards
	Trouble string // why the last answer would not do
}

func (v *visitors) form(w http.ResponseWriter, r *http.Request) {
	v.ask(w, r, http.StatusOK, question{Next: local(r.URL.Query().Get("next"))})
}

func (v *visitors) ask(w http.ResponseWriter, r *http.Request, status int, q question) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if err := v.page.Execute(w, q); err != nil {
		v.Logger.WarnContext(r.Context(), "login page not written", "error", err)
	}
}

// maxForm bounds what a stranger may send; a token has some 60 characters.
const maxForm = 4 << 10

func (v *visitors) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	token, next := strings.TrimSpace(r.PostFormValue("token")), local(r.PostFormValue("next"))
	_, err := v.Guard.SignIn(r.Context(), token, source(r), "temporal-ui")
	if err == nil {
		err = v.sessions.begin(w, r, token)
	}
	switch {
	case err == nil:
		http.Redirect(w, r, next, http.StatusSeeOther)
	case domain.Is(err, domain.Unauthenticated), domain.Is(err, domain.Forbidden):
		v.ask(w, r, domain.KindOf(err).Policy().HTTP, question{Next: next, Trouble: domain.Words(err)})
	default:
		v.refuse(w, r, err)
	}
}

func (v *visitors) signOut(w http.ResponseWriter, r *http.Request) {
	v.sessions.end(w, r)
	http.Redirect(w, r, loginPath, http.StatusSeeOther)
}

// local is a path of this server, so that nobody is led elsewhere after the login.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.Contains(next, `\`) || strings.HasPrefix(next, loginPath) {
		return "/"
	}
	return next
}

// source is the address that a request came from.
func source(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// withoutSession keeps the session from the server behind.
func withoutSession(r *http.Request) {
	cookies := r.Cookies()
	r.Header.Del("Cookie")
	for _, c := range cookies {
		if c.Name != cookieName {
			r.AddCookie(c)
		}
	}
}
