package devstack

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	ownerRole = "imagerun_owner" // a superuser: the migrations create roles
	appRole   = "app"
	authRole  = "auth"
)

// Logins lists the roles that connect to every server, besides the owner: each process by its name, operator for the commands, mailer
// for the sender of the auth service's mails, and app for what knows of one role alone. What each may do is its group role's,
// imagerun_ and the login.
func Logins() []string {
	return []string{"api", "worker", "scheduler", "operator", "mailer", authRole, appRole}
}

// makeLogins makes the logins that are missing, and gives each its password. The group roles are the migrations'.
func (p *Postgres) makeLogins(ctx context.Context) error {
	for _, login := range Logins() {
		role := pgx.Identifier{login}.Sanitize()

		sql := fmt.Sprintf(`
			do $$ begin
				if not exists (select from pg_roles where rolname = '%s') then create role %s login; end if;
			end $$;
			grant imagerun_%s to %s;`, login, role, login, role)
		if password, ok := p.passwords[login]; ok {
			sql += fmt.Sprintf("alter role %s password '%s';", role, password)
		}

		if login == authRole {
			sql += "alter role auth set search_path = auth;"
		}

		if err := p.execSQL(ctx, sql); err != nil {
			return fmt.Errorf("make the login %s: %w", login, err)
		}
	}

	return nil
}
