package secret_test

import (
	"strings"
	"testing"

	"berth/domain"
	"berth/secret"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

func TestCodec(t *testing.T) {
	ring := secret.Generate()
	conv := converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), &secret.Codec{Ring: ring})
	type input struct{ Name, Note string }
	payloads, err := conv.ToPayloads(input{"web01", "hunter2"}, "second")
	must(t, err)
	for _, p := range payloads.Payloads {
		if strings.Contains(p.String(), "hunter2") || strings.Contains(p.String(), "json/plain") {
			t.Fatalf("the payload shows its content: %v", p)
		}
		if string(p.Metadata["encryption-key-id"]) != ring.Primary() {
			t.Fatalf("key ID in the metadata is %q", p.Metadata["encryption-key-id"])
		}
	}
	_, err = ring.Rotate()
	must(t, err)
	var got input
	var second string
	must(t, conv.FromPayloads(payloads, &got, &second))
	if got != (input{"web01", "hunter2"}) || second != "second" {
		t.Fatalf("decoded %+v and %q", got, second)
	}
}

func TestCodecPassesPlainPayloads(t *testing.T) {
	plain, err := converter.GetDefaultDataConverter().ToPayload("from before")
	must(t, err)
	codec := &secret.Codec{Ring: secret.Generate()}
	got, err := codec.Decode([]*commonpb.Payload{plain})
	must(t, err)
	if !proto.Equal(got[0], plain) {
		t.Fatalf("a plain payload came back as %v", got[0])
	}
	sealed, err := codec.Encode([]*commonpb.Payload{plain})
	must(t, err)
	_, err = (&secret.Codec{Ring: secret.Generate()}).Decode(sealed)
	wantKind(t, err, domain.Permanent)
}
