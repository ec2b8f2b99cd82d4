package api_test

import (
	"net/http"
	"strings"
	"testing"

	"berth/client"
)

func TestRegistryPasswordsAreInNoAnswer(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	const host = "registry.example.net:5000"
	made, err := h.admin.CreateRegistryWithResponse(ctx, client.RegistryCreate{Host: host, Username: "robot", Password: new("hush-1")})
	if err != nil {
		t.Fatal(err)
	}
	tag := made.HTTPResponse.Header.Get("ETag")
	changed, err := h.admin.UpdateRegistryWithResponse(ctx, host, &client.UpdateRegistryParams{IfMatch: &tag},
		client.RegistryUpdate{Password: new("hush-2")})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := h.store.RegistryByHost(ctx, host)
	if err != nil || kept.Password.Reveal() != "hush-2" || changed.JSON200.Version != 2 {
		t.Errorf("kept version %d with %v; want the new password", changed.JSON200.Version, err)
	}
	got, err := h.admin.GetRegistryWithResponse(ctx, host)
	if err != nil {
		t.Fatal(err)
	}
	list, err := h.admin.ListRegistriesWithResponse(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range [][]byte{made.Body, changed.Body, got.Body, list.Body} {
		if strings.Contains(string(body), "hush") || !strings.Contains(string(body), `"host":"`+host+`"`) {
			t.Errorf("answered %s, want the registry without its password", body)
		}
	}
	_, err = h.admin.DeleteRegistryWithResponse(ctx, host, &client.DeleteRegistryParams{IfMatch: &tag})
	_ = refused(t, "deleting an older version", err, http.StatusPreconditionFailed)
	if _, err := h.admin.DeleteRegistryWithResponse(ctx, host, nil); err != nil {
		t.Error(err)
	}
	_, err = h.admin.CreateRegistryWithResponse(ctx, client.RegistryCreate{Host: host, Username: "a:b", Password: new("hush-3")})
	if p := refused(t, "a bad user name", err, http.StatusUnprocessableEntity); strings.Contains(p.Error(), "hush") {
		t.Errorf("the problem repeats the password: %v", p)
	}
}
