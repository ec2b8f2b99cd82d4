// Package edge is what runs on the network host of a site. It fetches the site's snapshot over one outbound connection,
// renders it with package templates, and makes the local daemons serve it: stage, test with the daemon's own checker,
// swap, reload as little as needed, prove that the new files are being served, or roll back. It keeps the last good
// snapshot on disk, so that it serves on when cut off, and heals whatever somebody changes in the files by hand.
package edge
