package templates

import "berth/domain"

// NginxOptions is what NGINX's configuration needs to know about the host it runs on.
type NginxOptions struct {
	Dir          string   // absolute path of the folder that Files are relative to
	Listen       []string // addresses for HTTP, HTTPS and streams; empty means all, IPv4 and IPv6
	HTTPPort     int      // 0 means 80
	HTTPSPort    int      // 0 means 443
	Resolver     string   // "ip" or "ip:port" of the edge's own dnsmasq
	User         string   // of the workers; empty means NGINX's own default
	StreamModule string   // path of ngx_stream_module.so; empty when it is built in
	HTTP2        bool     // knows the directive "http2 on" (1.25.1); else it is a parameter of listen
}

// Nginx renders the configuration of a site's NGINX. Services that cannot be served are left out and returned. The error
// is of kind Invalid, when the site itself or the options cannot be served.
func Nginx(snapshot domain.Snapshot, options NginxOptions) (Files, []Problem, error) {
	return Files{}, nil, nil
}
