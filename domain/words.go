package domain

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// noWords is told of an error that nobody put into words.
const noWords = "Something went wrong inside Berth. An administrator finds the details in the log."

// Words tells a person about err, in sentences: the messages of the Errors in it, outermost first, and the reason of what
// lies below them if [Reason] knows one. All other text of foreign errors, with its addresses and Go's prefixes, is for logs.
func Words(err error) string {
	told, rest := messages(err)
	if len(told) == 0 {
		told = append(told, noWords)
	}
	sentences := make([]string, len(told))
	for i, message := range told {
		sentences[i] = Sentence(message)
	}
	text := strings.Join(sentences, " ")
	if reason := Reason(rest); reason != "" && !strings.Contains(strings.ToLower(text), reason) {
		text = strings.TrimSuffix(text, ".") + " (" + reason + ")."
	}
	return text
}

// messages returns what the Errors in err say, and the foreign error below them.
func messages(err error) (told []string, rest error) {
	for err != nil {
		if own, ok := err.(*Error); ok { //nolint:errorlint // one link of the chain at a time
			if message := own.summary(); message != "" {
				told = append(told, message)
			}
			err = own.Err
			continue
		}
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range several.Unwrap() {
				more, foreign := messages(one)
				told = append(told, more...)
				if rest == nil {
					rest = foreign
				}
			}
			return told, rest
		}
		var own *Error
		if !errors.As(err, &own) {
			return told, err
		}
		err = errors.Unwrap(err)
	}
	return told, nil
}

// Reason says in a few words why something outside did not answer; it is empty when err tells nothing of the kind.
func Reason(err error) string {
	var (
		certificate *tls.CertificateVerificationError
		unknown     x509.UnknownAuthorityError
		otherHost   x509.HostnameError
		noTLS       tls.RecordHeaderError
		name        *net.DNSError
		waited      interface{ Timeout() bool }
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &certificate), errors.As(err, &unknown), errors.As(err, &otherHost):
		return "its certificate is not trusted"
	case errors.As(err, &noTLS):
		return "it does not speak TLS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to it"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "no space left"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.As(err, &name) && name.IsNotFound:
		return "its host name is not known"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &waited) && waited.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection broke off"
	}
	return ""
}

// Sentence gives a message a capital letter and a full stop, so that messages can be strung together. A word with a mark in
// it, such as a name or a path, keeps its letters.
func Sentence(message string) string {
	message = strings.TrimRight(strings.TrimSpace(message), ":;, ")
	if message == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(message)
	word, _, _ := strings.Cut(message, " ")
	plain := strings.IndexFunc(word, func(r rune) bool { return !unicode.IsLower(r) }) < 0
	if plain {
		message = string(unicode.ToUpper(first)) + message[size:]
	}
	if !strings.ContainsAny(message[len(message)-1:], ".!?") {
		message += "."
	}
	return message
}
