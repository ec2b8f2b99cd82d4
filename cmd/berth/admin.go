package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"berth/app"
	"berth/config"
	"berth/domain"
	"berth/store"
)

func adminCommand() *cobra.Command {
	admin := noun("admin", "Administrators, by access to the database instead of the API")
	var name string
	create := role("create", "Make an administrator, and print a token for it", func(ctx context.Context, cfg config.Config, logger *slog.Logger) error {
		st, _, err := openStore(ctx, cfg, logger)
		if err != nil {
			return err
		}
		defer func() { _ = st.Close() }()
		if err := migrated(ctx, st); err != nil {
			return err
		}
		token, err := makeAdmin(ctx, app.New(app.Config{Store: st, Logger: logger}), "console", name)
		if err != nil {
			return err
		}
		fmt.Println(token.Reveal())
		return nil
	})
	create.Long = "Make an administrator, and print a token for it. The token is printed this once. For an administrator that there is\n" +
		"already it makes another token, as when the former one was lost. A user who is no administrator is refused.\n" +
		"It needs the database and the key ring, neither a running API nor Temporal; it is audited."
	create.Flags().StringVar(&name, "name", adminName, "name of the administrator")
	admin.AddCommand(create)
	return admin
}

// makeAdmin sees to it that there is an administrator of a name, and makes a token for it, named after who made it. Whoever can
// do this holds the database, and so could do anything; only making a user an administrator by mistake is refused.
func makeAdmin(ctx context.Context, a *app.App, by, name string) (domain.Secret, error) {
	self := domain.System(by)
	_, err := a.Users.Create(ctx, self, app.UserInput{Name: name, Admin: true})
	if domain.Is(err, domain.Conflict) {
		var there domain.User
		if there, err = a.Users.Get(ctx, self, name); err == nil && !there.Admin {
			return "", domain.Errorf(domain.Conflict, "%s is a user without an administrator's rights: choose another --name", name)
		}
	}
	if err != nil {
		return "", err
	}
	_, token, err := a.Tokens.Create(ctx, self, app.TokenInput{
		Name: by, Owner: name, Scopes: []domain.Scope{domain.ScopeAdmin},
	})
	return token, err
}

// migrated is Unavailable while the schema of the database is older than this program.
func migrated(ctx context.Context, st *store.Store) error {
	done, err := st.Migrated(ctx)
	if err == nil && !done {
		err = domain.Errorf(domain.Unavailable, "the database is not migrated to this version yet: run berth migrate")
	}
	return err
}
