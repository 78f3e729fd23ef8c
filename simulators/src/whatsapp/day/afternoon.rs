//! From the lunch break to closing, when the last questions come in from sofas.

use super::super::people::*;
use super::beat::{About::*, Fate::*, Thread, What::*, answers, replies, says, system};

pub(super) static THREADS: &[Thread] = &[
    Thread {
        at: (12, 3),
        who: &FATUMA,
        beats: &[
            says(0, Text("Assalamu alaikum, do you deliver in Mombasa on Saturdays?")),
            answers(110, "Wa alaikum salaam Fatuma. Yes, in the morning until 12.", ReadAtOnce),
            says(40, Text("Good. Then the 3-burner cooker, and I pay on delivery")),
            answers(80, "Noted. The rider takes M-Pesa or cash.", Seen),
        ],
    },
    Thread {
        at: (12, 8),
        who: &CHANTAL,
        beats: &[
            says(0, Text("Bonjour, le colis pour Lubumbashi est bloqué depuis lundi")),
            says(16, Photo("Voici le reçu du transporteur")).along(),
            answers(
                260,
                "Bonjour Chantal, je viens d'appeler le transporteur : il manquait un tampon. Il \
                 repart demain.",
                Read,
            ),
            says(120, Text("Demain matin ou demain soir ?")).to(2),
            answers(50, "Demain matin à 7 h, je vous écris dès qu'il est parti.", ReadAtOnce),
            says(25, Reaction(4, "👌")),
        ],
    },
    Thread {
        at: (12, 14),
        who: &REHEMA,
        beats: &[
            says(0, Text("Tunataka taa 12 kwa kikundi chetu. Kuna bei ya kikundi?")).about(Group),
            answers(
                300,
                "Habari Rehema! Kuanzia taa 10 tunapunguza asilimia 15. Niandae oda?",
                ReadAtOnce,
            ),
            says(200, Text("Ndiyo, tutalipa kwa Mixx jioni baada ya kikao")),
        ],
    },
    Thread {
        at: (12, 19),
        who: &OKELLO,
        beats: &[
            says(0, Text("Boss, that inverter is beeping again")),
            says(30, VoiceNote).along(),
            answers(
                170,
                "Hi Patrick, that's the battery warning. Can you send a photo of it?",
                Read,
            ),
            says(240, Photo("")),
            answers(
                200,
                "It's swollen, please unplug it now. It's under warranty, we'll replace it.",
                Seen,
            ),
            says(30, Text("Eh! Unplugged. Thank you")),
        ],
    },
    Thread {
        at: (12, 28),
        who: &AMINA,
        beats: &[
            says(0, Text("Please can I change my order from the grey to the white fan?")),
            answers(90, "Sure Amina, it hasn't been packed yet. Changed ✅", Read),
            says(20, Reaction(1, "❤️")),
            says(15, Reaction(1, "")),
            says(30, Text("Actually my husband says grey 🙈 sorry!")),
            answers(60, "No worries, grey it stays 😄", ReadAtOnce),
        ],
    },
    Thread {
        at: (12, 36),
        who: &KOJO,
        beats: &[
            says(0, Text("Do you have 2.5 mm cable by the roll?")),
            answers(140, "Yes, 100 m for GHS 780.", ReadAtOnce),
            says(50, Text("Good price. I need 3 rolls on site by Friday")),
            says(20, Place(5.6037, -0.187, "Building site", "Ring Road Central, Accra")).along(),
        ],
    },
    Thread {
        at: (12, 44),
        who: &MBARGA,
        beats: &[
            says(0, Text("Bonjour, c'est possible de payer en deux fois ?")),
            answers(
                210,
                "Bonjour Étienne, oui : la moitié maintenant, le reste à la livraison.",
                ReadAtOnce,
            ),
            says(130, Text("Parfait, j'envoie 22 500 par MoMo")),
        ],
    },
    Thread {
        at: (12, 52),
        who: &CELESTE,
        beats: &[
            system(0, "slot_offer", "utility", ReadAtOnce),
            says(95, ButtonReply("slot_1500", "Hoje às 15:00")).to(0),
            answers(80, "Obrigado Celeste, o técnico está aí às 15:00.", Read),
            says(8600, Text("Já está a funcionar, muito obrigada!")),
        ],
    },
    Thread {
        at: (13, 5),
        who: &OLIVIA,
        beats: &[
            says(0, Text("Hello, I'd like to send a fridge to my mother-in-law in Kisumu")),
            says(40, Text("Can I pay by card from the UK?")),
            answers(190, "Hello Olivia! You can. Which size does she need?", ReadAtOnce),
            says(150, Text("Something small, there are just two of them")),
            answers(
                120,
                "Then the 90 L, KSh 24,900 with delivery. I'll send you a link.",
                Delivered,
            ),
        ],
    },
    Thread {
        at: (13, 18),
        who: &BLESSING,
        beats: &[
            says(0, Text("The heater works perfectly, zikomo kwambiri!")),
            says(6, Sticker).along(),
            answers(170, "So glad to hear it, Blessing! 🧡", Read),
        ],
    },
    Thread {
        at: (13, 40),
        who: &RODRIGUE,
        beats: &[
            says(0, Text("Bonjour, vous êtes ouverts ce samedi ?")),
            answers(
                260,
                "Bonjour Rodrigue, le point relais de Cotonou sera fermé samedi, désolés.",
                Sent,
            ),
        ],
    },
    Thread {
        at: (14, 10),
        who: &DAVID,
        beats: &[
            says(0, Text("Hi, David here. Has my mum's solar panel been installed?")),
            answers(300, "Hi David, yes, this morning. Look:", Read),
            replies(25, Photo("Facing north, 15° tilt"), ReadAtOnce),
            says(180, Text("Beautiful. She already called me to say the TV is on 😂")),
        ],
    },
    Thread {
        at: (14, 37),
        who: &NEEMA,
        beats: &[
            says(0, Text("Nimepokea kifurushi lakini chaja haimo")),
            says(18, Photo("Hii ndiyo iliyokuwa ndani")).along(),
            answers(290, "Pole sana Neema! Tunakutumia chaja kesho bila malipo.", Read),
            says(60, Text("Asante, nitasubiri")).late(240),
        ],
    },
    Thread {
        at: (15, 2),
        who: &JASMINE,
        beats: &[
            says(0, Text("Hey! Is the handwoven lampshade one of a kind or can I order six?"))
                .about(Product("SHADE-KIONDO-L")),
            answers(
                220,
                "Hi Jasmine! Each is woven by hand, six take about three weeks.",
                ReadAtOnce,
            ),
            says(240, Text("Totally fine. It's for a café in DC")),
        ],
    },
    Thread {
        at: (15, 31),
        who: &AFI,
        beats: &[
            system(0, "weekend_offers", "marketing", Read),
            says(260, StopMarketing),
            says(30, Text("Merci mais plus de promos s'il vous plaît, seulement mes commandes")),
            answers(180, "Bien compris Afi, vous ne recevrez plus de promotions.", ReadAtOnce),
        ],
    },
    Thread {
        at: (16, 5),
        who: &CLAIRE,
        beats: &[
            says(0, Text("Bonjour, la facture est au nom de mon ancienne société")),
            answers(210, "Bonjour Claire, envoyez-moi le bon nom et je la refais.", Read),
            says(140, Text("Atelier Moreau, 12 rue des Lilas, Nantes")).to(1),
            replies(600, Pdf("Facture BH-2011 corrigée.pdf", "Voilà !"), Delivered),
        ],
    },
    Thread {
        at: (16, 44),
        who: &MARCUS,
        beats: &[
            says(0, Text("Quick one: 110 V or 220 V?")),
            answers(75, "220 V only, Marcus. You'd need a converter in the US.", Seen),
            says(30, Text("Good to know, thanks")),
        ],
    },
    Thread {
        at: (17, 20),
        who: &OTIENO,
        beats: &[
            system(0, "repair_done", "utility", Read),
            says(420, Text("Already? 😮 How much?")).to(0),
            answers(90, "KSh 650. It was only the speaker wire. We're here until 18:30.", Read),
            says(45, Text("Coming now")),
        ],
    },
    Thread {
        at: (17, 58),
        who: &MARTA,
        beats: &[
            says(0, Text("Boa tarde, o candeeiro pode ser enviado para Lisboa?")),
            answers(400, "Boa tarde Marta! Pode, 18 € e cerca de dez dias.", ReadFirst),
            says(160, Text("Fica para o mês que vem então, obrigada")),
        ],
    },
    Thread {
        at: (18, 26),
        who: &CHINEDU,
        beats: &[
            says(0, Text("Madam has agreed 😎 we take the solar kit")),
            answers(110, "Wonderful! Pay by transfer or OPay, whichever is easier.", Read),
            says(300, Text("Transfer done, check please")),
            says(12, Photo("")).along(),
            answers(240, "It's in, Chinedu. It leaves tomorrow for Enugu.", ReadAtOnce),
        ],
    },
    Thread {
        at: (19, 12),
        who: &THIERRY,
        beats: &[
            says(0, Text("Bonsoir, je voudrais offrir un réchaud à ma tante à Douala")),
            says(35, Text("Elle peut le retirer elle-même ?")),
            answers(
                520,
                "Bonsoir Thierry, oui, avec le code que nous lui envoyons par SMS.",
                ReadAtOnce,
            ),
        ],
    },
    Thread {
        at: (19, 47),
        who: &ACHIENG,
        beats: &[
            says(0, Photo("The new lamp at my stall ✨")),
            says(10, Text("Customers can see my tomatoes at last 😄")).along(),
            answers(600, "That made our evening! Thank you, Achieng.", Read),
        ],
    },
    Thread {
        at: (20, 25),
        who: &RUTH,
        beats: &[
            says(
                0,
                Text(
                    "Hello from Perth, it's the middle of the night 🙃 When do you open on Saturday?",
                ),
            ),
            answers(480, "Good evening from Nairobi, Ruth 😊 At 9:00. Sleep well!", Delivered),
        ],
    },
    Thread {
        at: (20, 51),
        who: &NADEGE,
        beats: &[
            says(0, Text("Paiement envoyé pour les 4 multiprises, bonne soirée !")),
            answers(660, "Bien reçu, merci Nadège. Bonne soirée !", Sent),
        ],
    },
];
