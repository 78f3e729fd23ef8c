//! From the first parcel at seven to noon: Baraka Home, a shop in Nairobi for lamps, fans and
//! cookers, with a repair desk and pick-up points in other countries.

use super::super::people::*;
use super::beat::{About::*, Fate::*, Thread, What::*, answers, replies, says, system};

pub(super) static THREADS: &[Thread] = &[
    Thread {
        at: (7, 1),
        who: &WANJIKU,
        beats: &[
            system(0, "parcel_on_its_way", "utility", Read),
            says(460, QuickReply("Yes, I'm at home")).to(0),
            says(35, Place(-1.2921, 36.7856, "Kileleshwa", "Mandera Road, Nairobi")),
            says(12, Text("Blue gate, opposite the water tank")).along(),
            answers(150, "Perfect, thank you. The rider will be with you before 9.", Read),
            says(5100, Text("Imefika salama. Asante sana!")),
            says(20, Reaction(4, "🙏")),
        ],
    },
    Thread {
        at: (7, 12),
        who: &OTIENO,
        beats: &[
            says(0, Text("Good morning, is the repair desk open today?")),
            answers(240, "Good morning Otieno! Yes, from 8:00 to 17:00.", ReadAtOnce),
            says(50, Text("Great. I'll bring the radio, it only makes noise now")),
        ],
    },
    Thread {
        at: (7, 24),
        who: &ACHIENG,
        beats: &[
            says(0, Text("Hello, my lamp came yesterday but look")),
            says(9, Photo("The glass is cracked on one side 😔")).along(),
            says(40, Text("Order BH-2041")),
            answers(
                310,
                "So sorry, Achieng! We'll swap it. Can our rider collect the broken one before noon?",
                Read,
            ),
            says(130, Text("Yes please, I'm at my stall until 1")).to(3),
            answers(70, "Done. He has the new one with him.", Seen),
            says(12, Reaction(5, "👍")),
        ],
    },
    Thread {
        at: (7, 33),
        who: &JUMA,
        beats: &[
            says(0, Text("Habari za asubuhi. Mzigo wangu utafika Arusha lini?")),
            says(14, Text("Nambari ya oda ni BH-2037")).along(),
            answers(
                280,
                "Habari Juma. Mzigo umeondoka Nairobi jana usiku, utafika Arusha leo mchana.",
                ReadAtOnce,
            ),
            says(75, Text("Sawa kabisa, asante")),
        ],
    },
    Thread {
        at: (7, 41),
        who: &AISSATOU,
        beats: &[
            says(0, VoiceNote),
            says(20, Text("Bonjour, je vous ai laissé un vocal, c'est plus simple 😊")),
            answers(
                420,
                "Bonjour Aïssatou, bien écouté. Le ventilateur 16 pouces vous attend au point relais \
                 de Dakar.",
                Read,
            ),
            says(95, Text("Super ! Je peux payer avec Wave ?")),
            answers(60, "Oui, Wave ou Orange Money, comme vous préférez.", Seen),
            says(600, Text("C'est payé, je passe à midi")),
        ],
    },
    Thread {
        at: (7, 56),
        who: &KWAME,
        beats: &[
            says(
                0,
                Order(
                    "GHS",
                    &[("LAMP-SOLAR-02", 2, 185.0), ("CABLE-USBC-1M", 3, 25.0)],
                    "For pick-up in Kumasi please",
                ),
            ),
            says(48, Text("Can I pay with MTN MoMo?")),
            answers(200, "Of course, Kwame. It comes to GHS 445. Here is the invoice:", Read),
            replies(15, Pdf("Invoice BH-2058.pdf", ""), ReadAtOnce),
            says(340, Text("Paid. Reference is in the name of Mensah Ventures")),
            answers(110, "Received, thank you! Ready in Kumasi on Thursday.", Delivered),
        ],
    },
    Thread {
        at: (8, 4),
        who: &CHINEDU,
        beats: &[
            says(0, Text("Hi! I saw the offer for the 20 W solar kit. Is it still on?"))
                .about(Advertisement),
            answers(
                95,
                "Hello Chinedu! It is, until Sunday: ₦48,500 with two bulbs and the phone charger.",
                Read,
            ),
            says(140, Text("And delivery to Enugu?")),
            answers(65, "₦2,500, three working days.", Seen),
            says(50, Text("OK let me talk to my wife first 😄")),
        ],
    },
    Thread {
        at: (8, 9),
        who: &NAKATO,
        beats: &[
            says(0, Text("Hello")),
            system(6, "main_menu", "service", Seen),
            says(31, ListReply("track", "Track my order", "Where is it and when will it come?"))
                .to(1),
            says(25, Text("BH-1998, the pressure cooker")),
            answers(
                180,
                "It's at our Kampala point on Luwum Street since yesterday evening.",
                Read,
            ),
            says(44, Sticker),
        ],
    },
    Thread {
        at: (8, 17),
        who: &JOAO,
        beats: &[
            says(0, Text("Bom dia! Este fogão ainda existe em preto?"))
                .about(Product("STOVE-GAS-2B-BLK")),
            answers(260, "Bom dia João! Sim, temos dois em Maputo. Quer que reserve um?", Read),
            says(90, Text("Quero sim. Pago com e-Mola quando levantar")),
            answers(45, "Combinado, reservado até sábado em seu nome.", ReadAtOnce),
        ],
    },
    Thread {
        at: (8, 25),
        who: &FATOU,
        beats: &[
            system(0, "repair_booking", "utility", Read),
            says(
                180,
                Form(&[
                    ("device", "Mixeur Moulinex"),
                    ("problem", "Ne démarre plus"),
                    ("day", "jeudi"),
                    ("time", "10:00"),
                ]),
            )
            .to(0),
            answers(210, "Merci Fatou, c'est noté pour jeudi à 10 h.", Delivered),
        ],
    },
    Thread {
        at: (8, 31),
        who: &KIPTOO,
        beats: &[
            says(0, Text("Mum, I'll send the school fees tonight")),
            says(25, Revoke(0)),
            says(15, Text("Sorry, wrong chat 😅")),
            says(22, Text("But since I'm here: do you sell spare wicks for the paraffin stove?")),
            answers(330, "No problem at all! Yes, KSh 120 for a pack of ten.", Read),
        ],
    },
    Thread {
        at: (8, 38),
        who: &ESTHER,
        beats: &[
            says(
                0,
                Text(
                    "CONGRATULATIONS!!! Baraka Home gives 500 FREE fridges for our birthday. Send \
                     this to 10 friends to win",
                ),
            )
            .about(Forwarded),
            says(18, Text("Is this really from you?")).to(0),
            answers(
                140,
                "Hi Esther, no! That's a scam. Please don't send it on, and never share your PIN.",
                Read,
            ),
            says(60, Text("I thought so. Thank you for being honest")),
            says(8, Reaction(2, "❤️")).along(),
        ],
    },
    Thread {
        at: (8, 46),
        who: &MUTONI,
        beats: &[
            says(0, Text("Muraho, I'd like the rice cooker and the electric kettle")),
            answers(190, "Muraho Grace! Cooker: 5 L or 1.8 L? And which colour kettle?", Read),
            says(85, Text("1.8 L, and the steel one")).to(1),
            answers(70, "RWF 61,000 together. I'll send a MoMo request to this number.", ReadFirst),
            says(300, Text("Approved ✅")),
        ],
    },
    Thread {
        at: (8, 57),
        who: &TUNDE,
        beats: &[
            says(0, Text("My brother will pick up the generator for me, I'm in Abuja")),
            says(20, Card("Femi", "Adeyemi", "2348300000144")).along(),
            answers(230, "Thanks Tunde. He should bring the order number and his ID.", Read),
            says(90, Text("He has both, he is on his way")),
        ],
    },
    Thread {
        at: (9, 8),
        who: &NADEGE,
        beats: &[
            says(0, Text("Bonjour, mettez-moi 3 multiprises s'il vous plaît")),
            says(35, Edit(0, "Bonjour, mettez-moi 4 multiprises s'il vous plaît")),
            answers(160, "Bonjour Nadège, 4 multiprises, c'est noté : 14 000 FCFA.", Read),
            says(55, Text("Je règle par Orange Money ce soir")),
        ],
    },
    Thread {
        at: (9, 21),
        who: &NIA,
        beats: &[
            says(0, Text("Hi! Do you do gift wrapping?")),
            answers(120, "Hi Nia, we do, KSh 150. Which item is it for?", Read),
            says(45, Text("The reading lamp in yellow. It's a surprise, so please don't call 🤫")),
        ],
    },
    Thread {
        at: (9, 34),
        who: &BARASA,
        beats: &[
            says(0, Text("I paid twice for BH-2049. M-Pesa was slow and I tapped again")),
            says(30, Photo("")).along(),
            answers(
                380,
                "I can see both payments, Dennis. The second KSh 3,200 goes back to your M-Pesa \
                 today.",
                Read,
            ),
            says(100, Text("Thank you, I was worried")),
            answers(4200, "Sent. You should have the M-Pesa message by now.", ReadAtOnce),
            says(180, Text("Nimepata 🙌")),
        ],
    },
    Thread {
        at: (9, 52),
        who: &IBRAHIM,
        beats: &[
            says(0, Unsupported),
            answers(
                220,
                "Bonjour Ibrahim, votre message ne s'affiche pas chez nous. Vous pouvez l'écrire ?",
                Read,
            ),
            says(60, Text("C'était un sondage pour mes collègues 😂 On prend le bleu")),
        ],
    },
    Thread { at: (10, 6), who: &PATIENCE, beats: &[says(0, NewNumber(&PATIENCE_ANEW))] },
    Thread {
        at: (10, 9),
        who: &PATIENCE_ANEW,
        beats: &[
            says(0, Text("Good morning, it's Patience from Tema. This is my new number")),
            answers(150, "Good morning Patience, saved! Your order stays as it is.", Delivered),
        ],
    },
    Thread {
        at: (10, 27),
        who: &HABIMANA,
        beats: &[
            says(0, Pdf("Bon de commande 117.pdf", "For our school, 24 desk lamps")),
            says(70, Text("Could you match last year's price?")),
            answers(900, "Mwaramutse! Yes, for 20 and more. Offer attached.", BeforeEcho),
            replies(20, Pdf("Offer 31.pdf", ""), Read),
        ],
    },
    Thread {
        at: (10, 48),
        who: &MWANSA,
        beats: &[
            system(0, "payment_reminder", "utility", Failed(131026)),
            says(4100, Text("My phone was off, what did I miss?")).late(380),
            answers(130, "Only a reminder: K 420 is open for the heater. No rush.", Read),
        ],
    },
    Thread {
        at: (11, 15),
        who: &MUTHONI,
        beats: &[
            says(0, Video("Listen to that fan 😬 is it supposed to do this?")),
            replies(340, VoiceNote, Played),
            says(110, Text("Haha OK, I'll tighten the screw at the back")),
            says(400, Text("It worked!! You saved me a trip")),
        ],
    },
    Thread {
        at: (11, 38),
        who: &DOMINGOS,
        beats: &[
            system(0, "order_update", "service", Failed(131047)),
            system(120, "parcel_ready", "utility", Read),
            says(900, ButtonReply("pickup_tomorrow", "Levanto amanhã")).to(1),
        ],
    },
];
