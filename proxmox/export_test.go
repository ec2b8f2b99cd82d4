package proxmox

import "context"

// SendRaw lets a test try calls that the package itself never makes.
func SendRaw(c *Client, ctx context.Context, method, path string) error { //nolint:revive // mirrors the method
	return wrap("test", false, c.api.Req(ctx, method, path, nil, nil))
}

// Worded wraps err as every call of the package does.
func Worded(what string, mutates bool, err error) error { return wrap(what, mutates, err) }
