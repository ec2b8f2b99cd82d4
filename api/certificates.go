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

// RenewCertificate answers POST /api/v1/certificates/{certificate}/renew.
func (s *server) RenewCertificate(ctx context.Context, r RenewCertificateRequestObject) (RenewCertificateResponseObject, error) {
	ctx, actor := caller(ctx)
	c, err := s.app.Certificates.Renew(ctx, actor, r.Certificate)
	if err != nil {
		return nil, err
	}
	return RenewCertificate202JSONResponse(certificateJSON(c)), nil
}

// RevokeCertificate answers POST /api/v1/certificates/{certificate}/revoke.
func (s *server) RevokeCertificate(ctx context.Context, r RevokeCertificateRequestObject) (RevokeCertificateResponseObject, error) {
	ctx, actor := caller(ctx)
	c, err := s.app.Certificates.Revoke(ctx, actor, r.Certificate)
	if err != nil {
		return nil, err
	}
	return RevokeCertificate202JSONResponse(certificateJSON(c)), nil
}

func certificateJSON(c domain.Certificate) Certificate {
	return Certificate{
		ID: c.ID, Names: list(c.Names), Source: CertificateSource(c.Source), State: CertificateState(c.State), Message: optional(c.Message),
		RetryAt: moment(c.RetryAt), RenewAt: moment(c.RenewAt), Challenge: optional(string(c.Challenge)), Issuer: optional(c.Issuer),
		Serial: optional(c.Serial), NotBefore: moment(c.NotBefore), NotAfter: moment(c.NotAfter), Chain: optional(c.Chain), CreatedAt: c.CreatedAt.UTC(),
	}
}
