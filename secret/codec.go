package secret

import (
	"berth/domain"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// Metadata of encrypted payloads. The names follow Temporal's own samples, so that their tools recognise them.
const (
	metadataEncoding = "encoding"
	metadataKeyID    = "encryption-key-id"
	encodingSealed   = "binary/encrypted"
	payloadAAD       = "temporal/payload"
)

// Codec encrypts payloads before they reach a Temporal server, under the ring's primary key.
type Codec struct {
	Ring *Ring
}

var _ converter.PayloadCodec = (*Codec)(nil)

// Encode encrypts every payload, with its metadata.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, domain.Errorf(domain.Internal, "encode payload: %w", err)
		}
		sealed, err := c.Ring.Seal(plain, payloadAAD)
		if err != nil {
			return nil, err
		}
		out[i] = &commonpb.Payload{
			Metadata: map[string][]byte{
				metadataEncoding: []byte(encodingSealed),
				metadataKeyID:    []byte(KeyID(sealed)),
			},
			Data: []byte(sealed),
		}
	}
	return out, nil
}

// Decode decrypts what Encode made. Other payloads pass through unchanged: histories from before the codec was on stay readable.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[metadataEncoding]) != encodingSealed {
			out[i] = p
			continue
		}
		plain, err := c.Ring.Open(string(p.GetData()), payloadAAD)
		if err != nil {
			return nil, err
		}
		out[i] = new(commonpb.Payload)
		if err := proto.Unmarshal(plain, out[i]); err != nil {
			return nil, domain.Errorf(domain.Permanent, "decode payload: %w", err)
		}
	}
	return out, nil
}
