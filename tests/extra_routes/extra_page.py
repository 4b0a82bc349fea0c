"""The rendered project's routes, its room behind a login and its pages under a strict policy."""

from config.urls import urlpatterns as service
from config.websocket import room
from django.contrib.auth.decorators import login_required
from django.urls import path
from django.views.generic import RedirectView

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def strict(get_response):
    """Send the policy, also where Django does not send one yet."""

    def respond(request):
        response = get_response(request)
        response["Content-Security-Policy"] = POLICY
        return response

    return respond


urlpatterns = [
    path("ws/rooms/<slug:room>/", login_required(room)),
    path("ws/sso/", RedirectView.as_view(url="http://sso.localhost:9/")),
    *service,
]
