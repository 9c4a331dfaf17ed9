// Package http is the source kind "http": the body of a GET (or POST) request.
//
// What happens when this fails? Fetch answers an error and nothing else: no status but 200
// brings a value, and 304 alone says that nothing changed. Not found, gone, no content, a
// part, an empty or a cut answer never stand for an empty value; the engine keeps what it
// accepted. An error says whether to try again soon, to leave it for this look (a refused
// token, a redirect against the policy, too large a body), or how long the server asked to
// wait. Mirrors are asked in order within one look; only when all failed does the look
// fail, and the error then names every one of them.
//
// Validators (ETag, Last-Modified) are hints. They are sent only to the URL that gave them
// and only with the request that they were given for, and one that cannot be trusted is
// forgotten, which costs a full fetch and never a missed change.
package http
