// Package http is the sink kind "http": a request that hands a value to a server.
//
// What happens when this fails? A delivery counts only when the server answered with a
// success status. Whatever else happens is an error, and the delivery stays pending: the
// engine repeats it with the same Idempotency-Key as long as the value is wanted. After a
// timeout or a cut connection nobody knows whether the server acted; the error says so,
// and a receiver that keeps keys of the past sees the repetition for what it is. A receiver
// that does not must bear to get a delivery twice: at least once is the promise.
//
// Statuses that the same request will meet again (400, 401, 404, 409, 410, 412, 422 and
// the like) are permanent, 408, 425, 429 and 5xx pass, no sooner than Retry-After says.
// Redirects are never followed: a signed body goes where the configuration says or nowhere.
package http
