"""Who may use the service: how callers say who they are, what they may ask for, and how often.

modes           which ways to say it are on, by the settings
accounts        the file of tokens and users
hashing         what is kept of a token or a password, and how it is compared
bearer          JWTs, and the keys they are signed with
lending         tokens that callers lend to pages and players
authentication  from the credentials of a request to a caller
scopes          which scopes an operation takes
admission       what is done about all of this before a request
rates           how often a caller may ask
browsers        what a page of another site has a browser send
headers         what browsers are told about safety
described       what the OpenAPI document says of it
"""
