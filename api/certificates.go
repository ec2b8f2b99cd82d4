package api

import (
	"context"

	"berth/domain"
)

// ListCertificates answers GET /api/v1/certificates.
func (s *server) ListCertificates(ctx context.Context, r ListCertificatesRequestObject) (ListCertificatesResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.Certificates.List(ctx, actor, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListCertificates200JSONResponse{Items: convert(found.Items, certificateJSON), Next: optional(found.Next)}, nil
}

// UploadCertificate answers POST /api/v1/certificates.
func (s *server) UploadCertificate(ctx context.Context, r UploadCertificateRequestObject) (UploadCertificateResponseObject, error) {
	ctx, actor := caller(ctx)
	made, err := s.app.Certificates.Upload(ctx, actor, r.Body.Chain, domain.Secret(value(r.Body.Key)))
	if err != nil {
		return nil, err
	}
	return UploadCertificate201JSONResponse(certificateJSON(made)), nil
}

// GetCertificate answers GET /api/v1/certificates/{certificate}.
func (s *server) GetCertificate(ctx context.Context, r GetCertificateRequestObject) (GetCertificateResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.Certificates.Get(ctx, actor, r.Certificate)
	if err != nil {
		return nil, err
	}
	return GetCertificate200JSONResponse(certificateJSON(found)), nil
}

// DeleteCertificate answers DELETE /api/v1/certificates/{certificate}.
func (s *server) DeleteCertificate(ctx context.Context, r DeleteCertificateRequestObject) (DeleteCertificateResponseObject, error) {
	ctx, actor := caller(ctx)
	if err := s.app.Certificates.Delete(ctx, actor, r.Certificate); err != nil {
		return nil, err
	}
	return DeleteCertificate204Response{}, nil
}

func certificateJSON(c domain.Certificate) Certificate {
	return Certificate{
		ID: c.ID, Names: list(c.Names), Source: CertificateSource(c.Source), Issuer: c.Issuer, Serial: c.Serial,
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), Chain: c.Chain, CreatedAt: c.CreatedAt.UTC(),
	}
}
