package api

import (
	"context"

	"berth/app"
	"berth/domain"
)

// ListServices answers GET /api/v1/containers/{container}/services.
func (s *server) ListServices(ctx context.Context, r ListServicesRequestObject) (ListServicesResponseObject, error) {
	ctx, actor := caller(ctx)
	all, err := s.app.Containers.Services(ctx, actor, r.Container, value(r.Params.Site))
	if err != nil {
		return nil, err
	}
	return ListServices200JSONResponse{Items: convert(all, serviceJSON)}, nil
}

// ChangeServices answers POST /api/v1/containers/{container}/services.
func (s *server) ChangeServices(ctx context.Context, r ChangeServicesRequestObject) (ChangeServicesResponseObject, error) {
	ctx, actor := caller(ctx)
	_, operation, err := s.app.Containers.ChangeServices(ctx, actor, r.Container, value(r.Params.Site), app.ServicesChange{
		Add: convert(value(r.Body.Add), specOfService), Remove: value(r.Body.Remove),
	}, value(r.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return ChangeServices202JSONResponse{started(operation)}, nil
}

func specOfService(v ServiceSpec) domain.ServiceSpec {
	http, stream, srv := value(v.HTTP), value(v.Stream), value(v.SRV)
	return domain.ServiceSpec{
		Kind: domain.ServiceKind(v.Kind), Port: value(v.Port), Host: value(v.Host), ExternalPort: value(v.ExternalPort),
		HTTP: domain.HTTPOptions{
			Backend: domain.BackendScheme(value(http.Backend)), BackendName: value(http.BackendName), SkipVerify: value(http.SkipVerify),
			Auth: value(http.Auth), MaxBodyMiB: value(http.MaxBodyMiB), TimeoutSeconds: value(http.TimeoutSeconds),
			HTTP1Only: value(http.HTTP1Only),
		},
		Stream: domain.StreamOptions{
			TLS: value(stream.TLS), ProxyProtocol: value(stream.ProxyProtocol), TimeoutSeconds: value(stream.TimeoutSeconds),
		},
		SRV: domain.SRVOptions{Name: value(srv.Name), Priority: value(srv.Priority), Weight: value(srv.Weight)},
	}
}

func serviceJSON(v app.ServiceStatus) Service {
	out := Service{
		ID: v.ID, Title: v.Title(), Kind: ServiceKind(v.Kind), Port: v.Port, Host: optional(v.Host),
		ExternalPort: optional(v.ExternalPort), State: ServiceState(v.State), Message: optional(v.Message),
		LiveSince: moment(v.LiveSince), CreatedAt: v.CreatedAt.UTC(), Edges: convert(v.Edges, servedByJSON),
	}
	if v.Host != "" {
		kind := ServiceCertificateSelfSigned
		if v.Certificate.ID != "" {
			kind = ServiceCertificateTrusted
		}
		out.Certificate, out.CertificateID = &kind, optional(v.Certificate.ID)
		if kind == ServiceCertificateSelfSigned {
			out.CertificateMessage = optional(v.Missing)
		}
	}
	if p := v.Public; p.State != "" {
		out.PublicRecords = &PublicRecords{
			State: PublicRecordsState(p.State), Records: convert(p.Records, domain.DNSRecord.String), Message: optional(p.Message),
		}
	}
	switch v.Kind {
	case domain.ServiceHTTP:
		o := v.HTTP
		out.HTTP = &HTTPOptions{
			Backend: optional(HTTPOptionsBackend(o.Backend)), BackendName: optional(o.BackendName), SkipVerify: optional(o.SkipVerify),
			Auth: optional(o.Auth), MaxBodyMiB: optional(o.MaxBodyMiB), TimeoutSeconds: optional(o.TimeoutSeconds),
			HTTP1Only: optional(o.HTTP1Only),
		}
	case domain.ServiceTCP, domain.ServiceUDP:
		o := v.Stream
		out.Stream = &StreamOptions{
			TLS: optional(o.TLS), ProxyProtocol: optional(o.ProxyProtocol), TimeoutSeconds: optional(o.TimeoutSeconds),
		}
	case domain.ServiceSRV:
		o := v.SRV
		out.SRV = &SRVOptions{Name: optional(o.Name), Priority: optional(o.Priority), Weight: optional(o.Weight)}
	}
	return out
}

func servedByJSON(by domain.ServedBy) ServedBy {
	return ServedBy{Edge: by.Edge, Online: by.Online, Serves: by.Serves, Revision: by.Revision, Message: optional(by.Message)}
}
