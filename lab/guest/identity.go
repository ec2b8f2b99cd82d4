package guest

import (
	"strconv"
	"strings"

	"berth/domain"
)

// lookupUser turns an image's User ("", "name", "uid", each with an optional ":group") into numbers, with the contents
// of its passwd and group files. As in the OCI image specification, a user without group gets that of its passwd line.
func lookupUser(user, passwd, group string) (uid, gid int, err error) {
	if user == "" {
		return 0, 0, nil
	}
	name, wantGroup, hasGroup := strings.Cut(user, ":")
	line := find(passwd, name, 4)
	switch {
	case line != nil:
		if uid, err = number(line[2], user); err != nil {
			return 0, 0, err
		}
		if gid, err = number(line[3], user); err != nil {
			return 0, 0, err
		}
	default:
		if uid, err = number(name, user); err != nil {
			return 0, 0, err
		}
	}
	if !hasGroup {
		return uid, gid, nil
	}
	if line := find(group, wantGroup, 3); line != nil {
		wantGroup = line[2]
	}
	gid, err = number(wantGroup, user)
	return uid, gid, err
}

// find returns the fields of the line whose name, or else whose number, is key; nil when there is none.
func find(file, key string, fields int) []string {
	for _, column := range []int{0, 2} {
		for line := range strings.Lines(file) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) >= fields && f[column] == key {
				return f
			}
		}
	}
	return nil
}

func number(text, user string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, domain.Errorf(domain.Permanent, "OCI config value for 'User' has an invalid format: %q is no user of the image",
			user)
	}
	return int(n), nil
}
