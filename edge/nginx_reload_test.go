package edge_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestNginxReloadsHurtNobody reloads again and again, while a slow download and a connection that was upgraded go on, and while
// requests follow one another.
func TestNginxReloadsHurtNobody(t *testing.T) {
	const reloads, parts = 20, 20
	s := newSite(t)
	more := make(chan struct{}, parts)
	port := s.app(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			for range parts {
				<-more
				fmt.Fprint(w, "part ")
				_ = http.NewResponseController(w).Flush() // the reader notices what is missing
			}
		case "/upgrade":
			conn, stream, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			_, _ = io.Copy(conn, stream) // ends with the client
		default:
			fmt.Fprint(w, "app")
		}
	})
	s.apply(s.published(1, httpService("app.example.com", port)))

	slow := make(chan string, 1)
	go func() {
		got, _ := s.get("GET", "https://app.example.com/slow")
		slow <- got
	}()
	upgraded, err := tls.Dial("tcp", s.prefix+"2:443", &tls.Config{ServerName: "app.example.com", InsecureSkipVerify: true}) //nolint:gosec // self-signed
	if err != nil {
		t.Fatal(err)
	}
	defer upgraded.Close()
	fmt.Fprint(upgraded, "GET /upgrade HTTP/1.1\r\nHost: app.example.com\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	echo := bufio.NewReader(upgraded)
	if head, err := http.ReadResponse(echo, nil); err != nil || head.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the upgrade is answered with %v, %v", head, err)
	}

	var asked atomic.Int32
	failures := make(chan string, 1)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			asked.Add(1)
			if got, _ := s.get("GET", "https://app.example.com/"); got != "HTTP/2.0 200 app" {
				select {
				case failures <- got:
				default:
				}
			}
		}
	}()
	for i := range reloads {
		s.apply(s.published(int64(i+2), httpService("app.example.com", port), httpService(fmt.Sprintf("other%d.example.com", i), port)))
		more <- struct{}{}
		line := fmt.Sprintf("after reload %d\n", i)
		_ = upgraded.SetDeadline(time.Now().Add(time.Minute)) // an open connection has one
		fmt.Fprint(upgraded, line)
		if got, err := echo.ReadString('\n'); err != nil || got != line {
			t.Fatalf("the upgraded connection says %q after reload %d: %v", got, i, err)
		}
	}
	close(stop)
	<-done
	select {
	case got := <-failures:
		t.Errorf("of %d requests one was answered with %q", asked.Load(), got)
	default:
	}
	if n := s.last().Reloads; n < reloads {
		t.Errorf("there were %d reloads, want %d", n, reloads)
	}
	if got := <-slow; got != "HTTP/2.0 200 "+strings.TrimSpace(strings.Repeat("part ", parts)) {
		t.Errorf("the slow download got %q", got)
	}
}
